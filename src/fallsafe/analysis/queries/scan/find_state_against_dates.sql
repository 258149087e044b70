-- Rows whose state says that less has happened than their dates do. Where most of those that are out say so, the state is
-- about something else.
SELECT order_id, since, state
FROM (
    SELECT order_id, coalesce(over_at, out_at) AS since, state, broken, avg(broken::INTEGER) OVER () AS share
    FROM (
        SELECT order_id, over_at, out_at, state, state IN (1, 2, 3, 5, 6) OR (state = 14 AND over_at IS NOT NULL) AS broken
        FROM task
        WHERE state IS NOT NULL AND out_at IS NOT NULL
    )
)
WHERE broken AND share <= 0.5
ORDER BY order_id
