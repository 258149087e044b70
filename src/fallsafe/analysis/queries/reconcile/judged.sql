-- Which of these orders a side has, but for those that were changed too lately.
SELECT DISTINCT own
FROM (
    SELECT {a_order} AS own FROM {a} WHERE {a_has_key}
    UNION ALL
    SELECT {b_order} AS own FROM {b} WHERE {b_has_key}
)
WHERE own IN (SELECT unnest($orders::VARCHAR[]))
    AND own NOT IN (SELECT {text} FROM {kept} WHERE unsettled AND {text} IS NOT NULL)
