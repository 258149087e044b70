-- How much time finished orders still took after what had happened to them so far, in seconds.
SELECT s.mask AS key, count(*) AS n, quantile_cont(epoch_us(o.finished_at - s.ts) / 1e6, 0.5) AS usual
FROM sample AS s
JOIN ord AS o USING (order_id)
WHERE o.finished_at > s.ts AND NOT s.is_last
GROUP BY key
