-- The same work done twice in an order, where it is usually done once.
SELECT order_id, item_id, kind, times, since, tasks
FROM (
    SELECT *, avg((times > 1)::INTEGER) OVER (PARTITION BY kind) AS share
    FROM (
        SELECT
            order_id, item_id, kind,
            sum(CASE WHEN {has_task_id} AND ((codes >> 5) & 1) = 1 AND begun_last_at > done_at THEN 1 ELSE times_done END)::BIGINT AS times,
            max(done_last_at) AS since,
            list(task_id ORDER BY done_at, task_id) AS tasks
        FROM task
        WHERE kind IN ({kinds}) AND times_done > 0
        GROUP BY order_id, item_id, kind
    )
)
WHERE times > 1 AND share <= 0.1
ORDER BY order_id, item_id, kind
