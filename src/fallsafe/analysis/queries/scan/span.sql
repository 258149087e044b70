-- From when to when things happened; a typing error far off must not become the time of the whole file.
SELECT
    count(*) AS n,
    min(ts) AS oldest,
    max(ts) AS newest,
    approx_quantile(ts, 0.01) AS early,
    approx_quantile(ts, 0.99) AS recent,
    bool_and(ts = date_trunc('day', ts)) AS day_only,
    bool_and(due = date_trunc('day', due)) AS due_day_only,
    count(due) AS due,
    count(team) AS team,
    count(product) AS product,
    count(customer) AS customer,
    count(listed) AS listed,
    count(until) AS until,
    count(waits_for) AS waits_for,
    count(quantity) AS quantity,
    count(discontinued) AS discontinued
FROM event
WHERE ts BETWEEN $first AND $last
