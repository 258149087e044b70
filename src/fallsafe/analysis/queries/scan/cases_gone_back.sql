-- Each task with whether its state went back: new after it was begun, begun after it was out, out after it was over.
SELECT *, kind AS sort, since IS NOT NULL AS broken
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
        END AS was_at
    FROM task
    WHERE kind = 0 OR {has_task_id}
)
