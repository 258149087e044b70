-- Orders and work taken up again after they were finished, and said to be.
SELECT t.order_id, nullif(t.task_id, '') AS task_id, t.kind, t.reopened_at AS since, coalesce(t.done_at, o.finish_at) AS was_at
FROM task AS t
JOIN ord AS o USING (order_id)
WHERE t.reopened_at IS NOT NULL
    AND t.reopened_at >= coalesce(t.done_at, CASE WHEN t.kind = 0 THEN o.finish_at END, t.first_at)
ORDER BY t.order_id, t.task_id
