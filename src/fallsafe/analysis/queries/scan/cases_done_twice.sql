-- The work of each kind in each order, with whether it was done more than once.
SELECT order_id, item_id, kind, times, since, kind AS sort, times > 1 AS broken
FROM (
    SELECT
        order_id, item_id, kind,
        sum(CASE WHEN {has_task_id} AND ((codes >> 5) & 1) = 1 AND begun_last_at > done_at THEN 1
            ELSE times_done END)::BIGINT AS times,
        max(done_last_at) AS since
    FROM task
    WHERE kind IN ({kinds}) AND times_done > 0
    GROUP BY order_id, item_id, kind
)
