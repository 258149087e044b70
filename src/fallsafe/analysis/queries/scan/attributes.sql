-- Whose and what these orders are, by their latest words.
SELECT order_id, max_by(team, moment) AS team, max_by(product, moment) AS product
FROM occurred
WHERE order_id IN (SELECT unnest($orders::VARCHAR[]))
GROUP BY order_id
