-- How many of the orders that were meant are in each state: neither those of another engine, nor any wished twice.
SELECT state, count(*) AS count FROM orders WHERE source = 'CRM' AND external_id NOT LIKE 'd%%' GROUP BY state ORDER BY state
