-- Which share of orders has a milestone of the order itself: the furthest that is usual is where orders end.
SELECT step, count(DISTINCT order_id) / (SELECT count(DISTINCT order_id) FROM happened) AS share
FROM happened
WHERE kind = 0 AND step >= 3
GROUP BY step
ORDER BY step DESC
