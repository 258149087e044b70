-- Milestones of an order's life in the wrong order, the first of each order.
SELECT order_id, earlier, earlier_at, later, later_at
FROM ({cases})
WHERE broken AND {unusual}
QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY later_at, earlier_at DESC) = 1
ORDER BY order_id
