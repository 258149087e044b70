-- Lines whose product is no longer sold.
SELECT order_id, min(ts) AS since, nullif(task_id, '') AS task_id, item_id, max(product) AS product
FROM happened
WHERE discontinued
GROUP BY order_id, task_id, item_id
ORDER BY order_id, task_id, item_id
