-- How many orders are in each state.
SELECT state, count(*) AS count FROM orders GROUP BY state ORDER BY state
