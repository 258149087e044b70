-- How many of those that are asked for there are, of each kind, counted one by one up to a limit.
SELECT state, severity, owner_group, assigned, code, domain, recoverability, system, sla, count(*) AS cases
FROM (SELECT k.state, k.severity, k.owner_group, k.assignee <> '' AS assigned, k.code, k.domain, k.recoverability, k.system,
             CASE WHEN k.sla_due_at IS NULL THEN 'none' WHEN k.sla_due_at <= %(now)s THEN 'breached'
                  WHEN %(now)s - k.detected_at >= (k.sla_due_at - %(now)s) + (k.sla_due_at - %(now)s) + (k.sla_due_at - %(now)s) THEN 'at_risk' ELSE 'on_track' END AS sla
      FROM cases k WHERE true /* reads/matching */ LIMIT %(limit)s) found
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
