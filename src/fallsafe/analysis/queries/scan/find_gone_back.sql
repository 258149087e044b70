-- States that went back: new after it was begun, begun after it was out, out after it was over, without a word of reopening.
SELECT order_id, task_id, kind, since, was_at
FROM (
    SELECT
        order_id, task_id, kind, reopened_at,
        CASE
            WHEN surely_before(over_at, out_last_at) THEN out_last_at
            WHEN surely_before(out_at, begun_last_at) THEN begun_last_at
            WHEN kind = 0 AND surely_before(begun_at, new_last_at) THEN new_last_at
        END AS since,
        CASE
            WHEN surely_before(over_at, out_last_at) THEN over_at
            WHEN surely_before(out_at, begun_last_at) THEN out_at
            ELSE begun_at
        END AS was_at,
        avg(CASE WHEN surely_before(out_at, begun_last_at) OR surely_before(over_at, out_last_at)
            OR (kind = 0 AND surely_before(begun_at, new_last_at)) THEN 1 ELSE 0 END) OVER (PARTITION BY kind) AS share
    FROM task
    WHERE kind = 0 OR {has_task_id}
)
WHERE since IS NOT NULL AND share <= 0.5 AND coalesce(reopened_at < was_at OR reopened_at > since, TRUE)
ORDER BY order_id, task_id
