-- Rows whose state says that less has happened than their dates do.
SELECT order_id, since, state
FROM (
    SELECT order_id, coalesce(over_at, out_at) AS since, state, broken,
        avg(broken::INTEGER) OVER (PARTITION BY state) AS share
    FROM (
        SELECT order_id, over_at, out_at, state,
            (state IN (1, 2, 3, 5, 6) AND out_at IS NOT NULL) OR (state = 14 AND over_at IS NOT NULL) AS broken
        FROM task
        WHERE state IS NOT NULL
    )
)
WHERE broken AND share <= 0.5
ORDER BY order_id
