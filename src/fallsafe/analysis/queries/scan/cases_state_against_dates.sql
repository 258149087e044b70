-- Rows that are out by their dates, with whether their state says that less has happened.
SELECT
    order_id, coalesce(over_at, out_at) AS since, state, 0 AS sort,
    state IN (1, 2, 3, 5, 6) OR (state = 14 AND over_at IS NOT NULL) AS broken
FROM task
WHERE state IS NOT NULL AND out_at IS NOT NULL
