-- Times that cannot be right: long before or after everything else.
SELECT order_id, ts AS since, {task} AS task_id, meaning
FROM event
WHERE ts NOT BETWEEN {first} AND {limit}
ORDER BY order_id, since, task_id
