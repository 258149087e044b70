-- How many orders were asked about since then.
SELECT count(DISTINCT order_id) AS orders FROM commands WHERE id >= %(first)s AND purpose = 'query' AND look < 0
