-- Work on orders that were finished or stopped before, the first of each order. Work after the order was reopened is none.
SELECT order_id, ts, task_id, meaning, ended_at, stopped
FROM (
    SELECT h.order_id, h.ts, h.task_id, h.meaning, o.ended_at, o.stopped, o.reopened_at
    FROM happened AS h
    JOIN (
        SELECT order_id, coalesce(stopped_at, finish_at) AS ended_at, stopped_at IS NOT NULL AS stopped, reopened_at
        FROM ord
        WHERE coalesce(stopped_at, finish_at) < last_at AND {ends}
    ) AS o USING (order_id)
    WHERE h.meaning IN ({meanings}) AND surely_before(o.ended_at, h.ts)
)
WHERE coalesce(reopened_at < ended_at OR reopened_at > ts, TRUE)
QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY ts, meaning) = 1
ORDER BY order_id
