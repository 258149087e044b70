-- Times that cannot be right: the end of work before its only beginning.
SELECT order_id, done_at AS since, nullif(task_id, '') AS task_id, started_at AS other, last & 4095 AS meaning
FROM task
WHERE kind > 0 AND times_done = 1 AND surely_before(done_last_at, started_at)
ORDER BY order_id, since, task_id
