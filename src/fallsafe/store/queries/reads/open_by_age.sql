-- Open cases by age and severity, along their index, up to a limit: how old the backlog is.
SELECT severity, CASE WHEN age < interval '4 hours' THEN 0 WHEN age < interval '12 hours' THEN 1 WHEN age < interval '24 hours' THEN 2
                      WHEN age < interval '3 days' THEN 3 WHEN age < interval '7 days' THEN 4 ELSE 5 END AS band, count(*) AS cases
FROM (SELECT k.severity, %(now)s::timestamptz - k.detected_at AS age FROM cases k
      WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating') LIMIT %(limit)s) k
GROUP BY 1, 2
