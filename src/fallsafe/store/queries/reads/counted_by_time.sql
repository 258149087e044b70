-- How many open cases that match are late, at risk, on track or without a time, along their index; each up to a limit, the nearest first.
SELECT late.n AS breached, timeless.n AS "none", ahead.risky AS at_risk, ahead.n - ahead.risky AS on_track,
       ARRAY[late.n, timeless.n, ahead.n] AS seen
FROM (SELECT count(*) AS n FROM (
        SELECT 1 FROM cases k WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
          AND k.sla_due_at <= %(now)s /* reads/matching */ LIMIT %(limit)s) found) late,
     (SELECT count(*) AS n FROM (
        SELECT 1 FROM cases k WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
          AND k.sla_due_at IS NULL /* reads/matching */ LIMIT %(limit)s) found) timeless,
     (SELECT count(*) AS n, count(*) FILTER (WHERE %(now)s - detected_at >= (sla_due_at - %(now)s) + (sla_due_at - %(now)s) + (sla_due_at - %(now)s)) AS risky
      FROM (SELECT k.sla_due_at, k.detected_at FROM cases k WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
          AND k.sla_due_at > %(now)s /* reads/matching */ ORDER BY k.sla_due_at LIMIT %(limit)s) found) ahead
