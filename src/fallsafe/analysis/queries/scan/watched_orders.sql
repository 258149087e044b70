-- Orders as an engine would report them: where each stands, its dates, and its tasks with their last words.
SELECT
    o.order_id, o.first_at, o.due, p.product, o.finished_at, o.stopped_at,
    list({'kind': t.kind, 'task': t.task_id, 'item': t.item_id, 'code': ((t.last >> 12) & 31), 'meaning': t.last & 4095,
        'done_at': t.done_last_at, 'product': i.product} ORDER BY t.last, t.item_id, t.task_id, t.kind) AS tasks
FROM ord AS o
JOIN (SELECT order_id, max_by(product, moment) AS product FROM happened GROUP BY order_id) AS p USING (order_id)
JOIN task AS t USING (order_id)
JOIN (
    SELECT order_id, item_id, max_by(product, moment) AS product
    FROM happened
    GROUP BY order_id, item_id
) AS i ON i.order_id = t.order_id AND i.item_id = t.item_id
GROUP BY ALL
ORDER BY o.order_id
