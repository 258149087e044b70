-- Every task that is executed here with the names by which the outside knows its effect, and how many open cases its order has.
SELECT t.id, t.order_id, t.step, t.operation, t.state, o.source, o.external_id, i.external_id AS item,
    (SELECT count(*) FROM cases k WHERE k.order_id = t.order_id
     AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')) AS cases
FROM tasks t JOIN orders o ON o.id = t.order_id JOIN items i ON i.id = t.item_id
WHERE t.executor = 'command' ORDER BY t.id
