-- The same work done twice in an order, where it is usually done once.
SELECT twice.order_id, twice.item_id, twice.kind, times, since, list(task_id ORDER BY done_at, task_id) AS tasks
FROM (
    SELECT *, avg((times > 1)::INTEGER) OVER (PARTITION BY kind) AS share
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
    QUALIFY times > 1
) AS twice
JOIN task ON task.order_id = twice.order_id AND task.item_id = twice.item_id AND task.kind = twice.kind
WHERE times_done > 0 AND share <= 0.1
GROUP BY ALL
ORDER BY twice.order_id, twice.item_id, twice.kind
