-- Lines sold at another price than the catalog has; half a cent is no difference.
SELECT order_id, min(ts) AS since, nullif(task_id, '') AS task_id, item_id, sold, listed
FROM happened
WHERE abs(sold - listed) >= 0.005
GROUP BY order_id, task_id, item_id, sold, listed
ORDER BY order_id, task_id, item_id, sold
