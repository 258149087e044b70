-- Whose and what the orders with findings are, for the totals.
SELECT order_id, team, product
FROM ord
WHERE order_id IN (SELECT unnest($orders::VARCHAR[]))
