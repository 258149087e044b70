-- Times that cannot be right: long before or after everything else, or the end of work before its only beginning.
SELECT order_id, ts AS since, nullif(task_id, '') AS task_id, 'outside' AS how, NULL::TIMESTAMP AS other, meaning
FROM event
WHERE ts NOT BETWEEN {first} AND {limit}
UNION ALL
SELECT order_id, done_at, nullif(task_id, ''), 'end before beginning', started_at, last & 4095
FROM task
WHERE kind > 0 AND times_done = 1 AND surely_before(done_last_at, started_at)
ORDER BY order_id, since, task_id
