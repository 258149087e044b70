-- Orders and work taken up again after they were finished, and said to be.
SELECT order_id, nullif(task_id, '') AS task_id, kind, reopened_at AS since, coalesce(done_at, finish_at) AS was_at
FROM task
WHERE reopened_at IS NOT NULL AND reopened_at >= coalesce(done_at, finish_at, first_at)
ORDER BY order_id, task_id
