-- How many orders there are.
SELECT count(DISTINCT order_id) AS orders FROM happened
