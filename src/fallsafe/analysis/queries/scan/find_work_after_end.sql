-- Work on orders that were finished or stopped before. What follows the end in more than half of the orders that have it
-- (invoices, surveys, undoing) is no contradiction, nor is work after the order was reopened.
SELECT order_id, ts, task_id, name, raw, ended_at, stopped
FROM (
    SELECT h.order_id, h.ts, h.task_id, h.name, h.raw, h.meaning, o.ended_at, o.stopped, o.reopened_at,
        surely_before(o.ended_at, h.ts) AS after_end
    FROM happened AS h
    JOIN (
        SELECT order_id, coalesce(stopped_at, finish_at) AS ended_at, stopped_at IS NOT NULL AS stopped, reopened_at
        FROM ord
        WHERE coalesce(stopped_at, finish_at) IS NOT NULL
    ) AS o USING (order_id)
    WHERE h.kind > 0 AND h.code IN (5, 6, 10, 14, 15) AND h.meaning IN ({meanings})
)
WHERE after_end AND coalesce(reopened_at < ended_at OR reopened_at > ts, TRUE)
QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY ts, name, raw) = 1
ORDER BY order_id
