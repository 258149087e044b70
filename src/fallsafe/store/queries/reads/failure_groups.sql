-- Failures that look alike, over all orders: how many stand open, since when, how it went day by day, what they wait for.
WITH open AS (
    SELECT k.fingerprint, count(*) AS cases, min(k.detected_at) AS first_at, max(k.detected_at) AS last_at,
           sum(k.amount_minor) AS amount_minor, max(k.currency) AS currency, count(*) FILTER (WHERE k.sla_due_at <= %(now)s) AS late,
           count(*) FILTER (WHERE jsonb_typeof(k.waiting_for) = 'object') AS waiting, count(*) FILTER (WHERE k.assignee = '') AS unassigned,
           max(k.id) AS newest
    FROM (SELECT * FROM cases WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating') ORDER BY id DESC LIMIT %(counted)s) k
    GROUP BY k.fingerprint ORDER BY cases DESC, fingerprint LIMIT %(limit)s)
SELECT open.*, k.code, k.system, k.operation, k.raw_code, k.raw_message, k.recoverability, k.next_action,
       ARRAY(SELECT (SELECT count(*) FROM (SELECT 1 FROM cases h WHERE h.fingerprint = open.fingerprint
                     AND h.detected_at >= %(now)s::timestamptz - (d + 1) * interval '1 day' AND h.detected_at < %(now)s::timestamptz - d * interval '1 day' LIMIT 10000) seen)
             FROM generate_series(6, 0, -1) d) AS days
FROM open JOIN cases k ON k.id = open.newest ORDER BY open.cases DESC, open.fingerprint
