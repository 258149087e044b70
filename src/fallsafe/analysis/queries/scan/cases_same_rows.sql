-- Orders with whether they have rows that are there twice with everything in them. Only tasks with a word more often than
-- once can have any.
SELECT ord.order_id, since, task_id, copies, 0 AS sort, copies IS NOT NULL AS broken
FROM ord
LEFT JOIN (
    SELECT order_id, min(ts) AS since, min(nullif(task_id, '')) AS task_id, max(copies)::BIGINT AS copies
    FROM (
        SELECT h.order_id, h.task_id, h.ts, h.meaning, h.dated, h.line, count(*) AS copies
        FROM happened AS h
        JOIN task AS t
            ON t.order_id = h.order_id AND t.item_id = h.item_id AND t.task_id = h.task_id AND t.kind = h.kind
        WHERE t.n > bit_count(t.codes)
        GROUP BY ALL
        HAVING count(*) > 1
    )
    GROUP BY order_id
) AS same USING (order_id)
