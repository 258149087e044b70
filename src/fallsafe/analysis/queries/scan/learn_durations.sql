-- How long each kind of work usually takes from its beginning to its end, in seconds.
SELECT kind, count(*) AS n, quantile_cont(took, [0.5, 0.9, 0.99]) AS at_quantiles, max(took) AS longest
FROM (
    SELECT kind, epoch_us(done_at - started_at) / 1e6 AS took
    FROM task
    WHERE kind > 0 AND done_at >= started_at
)
GROUP BY kind
