-- How long orders usually rest after what has happened to them so far, in seconds.
SELECT {key} AS key, count(*) AS n, quantile_cont(gap, [0.5, 0.9, 0.99]) AS at_quantiles, max(gap) AS longest
FROM (SELECT *, epoch_us(next_at - ts) / 1e6 AS gap FROM sample WHERE next_at > ts)
GROUP BY key
