-- Orders that stand in several rows which do not agree, in a table that has one row an order.
SELECT order_id, rows, since
FROM (
    SELECT order_id, count(DISTINCT line) AS rows, min(ts) AS since, avg((count(DISTINCT line) > 1)::INTEGER) OVER () AS share
    FROM happened
    GROUP BY order_id
)
WHERE rows > 1 AND share <= 0.2
ORDER BY order_id
