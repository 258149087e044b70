-- Orders of a table, with whether they stand in several rows.
SELECT order_id, count(DISTINCT line) AS rows, min(ts) AS since, 0 AS sort, count(DISTINCT line) > 1 AS broken
FROM happened
GROUP BY order_id
