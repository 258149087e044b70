-- States that went back without a word of reopening.
SELECT order_id, task_id, kind, since, was_at
FROM ({cases})
WHERE broken AND {unusual} AND coalesce(reopened_at < was_at OR reopened_at > since, TRUE)
ORDER BY order_id, task_id
