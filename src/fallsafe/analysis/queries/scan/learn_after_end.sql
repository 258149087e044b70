-- Which work comes after the end of orders, in how many of those that have both: what is usual there is no contradiction.
SELECT s.meaning, count(*) AS n, count(*) FILTER (s.ts > coalesce(o.stopped_at, o.finish_at)) AS after_end
FROM sample AS s
JOIN ord AS o USING (order_id)
WHERE s.kind > 0 AND coalesce(o.stopped_at, o.finish_at) IS NOT NULL
GROUP BY s.meaning
