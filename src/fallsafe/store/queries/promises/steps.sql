-- The steps that another engine executes, with their orders and what stands against them.
SELECT t.id, t.order_id, t.step, t.state, o.external_id, o.state AS order_state,
    (SELECT count(*) FROM cases k WHERE k.order_id = t.order_id
     AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')) AS cases,
    (SELECT count(*) FROM cases k WHERE k.order_id = t.order_id AND k.code = 'ENGINE_CONTRADICTS') AS contradictions
FROM tasks t JOIN orders o ON o.id = t.order_id
WHERE t.executor = 'external' ORDER BY t.id
