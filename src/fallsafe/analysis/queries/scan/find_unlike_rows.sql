-- Orders that stand in several rows which do not agree, in a table that has one row an order.
SELECT order_id, rows, since
FROM ({cases})
WHERE broken AND {unusual}
ORDER BY order_id
