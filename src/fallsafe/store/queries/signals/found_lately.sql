-- What each source and rule has found since then: signals that opened or joined a case, and how many orders were looked
-- at at the most.
SELECT source, rule, count(*) AS cases, max(looked) AS looked FROM signals
WHERE received_at >= %(since)s AND state = 'standing' AND ends = '' GROUP BY source, rule
