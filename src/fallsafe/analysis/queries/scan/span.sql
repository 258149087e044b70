-- From when to when things happened; a typing error far off must not become the time of the whole file.
SELECT
    count(*) AS n,
    (SELECT count(*) FROM event) AS rows,
    min(ts) AS oldest,
    max(ts) AS newest,
    approx_quantile(ts, 0.01) AS early,
    approx_quantile(ts, 0.99) AS recent,
    approx_count_distinct(order_id) AS about,
    bool_and(ts = date_trunc('day', ts)) AS day_only,
    bool_and({due} = date_trunc('day', {due})) AS due_day_only
    {counts}
FROM event
WHERE ts BETWEEN $first AND $last
