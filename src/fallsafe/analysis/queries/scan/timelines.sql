-- What happened to the worst orders, in its order.
SELECT order_id, ts, meaning, task_id, team
FROM occurred
WHERE order_id IN (SELECT unnest($orders::VARCHAR[])) AND dated
QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY moment, task_id) <= $most
ORDER BY order_id, moment, task_id
