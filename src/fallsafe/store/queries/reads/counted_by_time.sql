-- How many open cases are late, at risk, on track or without a time, along their index and up to a limit.
SELECT sla, count(*) AS cases
FROM (SELECT CASE WHEN k.sla_due_at IS NULL THEN 'none' WHEN k.sla_due_at <= %(now)s THEN 'breached'
                  WHEN %(now)s >= k.detected_at + (k.sla_due_at - k.detected_at) * %(at_risk_from)s::float8 THEN 'at_risk' ELSE 'on_track' END AS sla
      FROM cases k WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
      LIMIT %(limit)s) found
GROUP BY sla
