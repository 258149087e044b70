-- With what orders end: for each phrase, in how many orders of the sample it stands and in how many it is the last.
SELECT meaning, count(DISTINCT order_id) AS orders, count(*) FILTER (is_last) AS last
FROM sample
GROUP BY meaning
