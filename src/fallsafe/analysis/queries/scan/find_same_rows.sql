-- Rows that are there twice with everything in them. Where many orders have some, the rows lack what would tell them apart.
SELECT order_id, since, task_id, copies
FROM ({cases})
WHERE broken AND {unusual}
ORDER BY order_id
