-- How much waits at each gate: parked until its downstream works again, or due to be sent and waiting for its turn.
SELECT a.gate, count(*) FILTER (WHERE a.kind = 'release') AS parked,
       count(*) FILTER (WHERE a.kind = 'send' AND a.due_at <= %(now)s) AS waiting
FROM agenda a WHERE a.gate > 0 AND a.order_id IS NOT NULL GROUP BY a.gate ORDER BY a.gate
