-- What the product ran by itself of some actions since a time, the newest of each, newest first: of which system, and
-- what became of it.
SELECT r.id, r.action, r.state, r.run_at, k.system, k.state AS case_state, k.resolution ->> 'repair' AS proved_by,
       coalesce((k.resolution ->> 'verified')::boolean, false) AS verified, c.state AS command_state,
       k.repair ->> 'id' AS waits_for
FROM unnest(%(actions)s::text[]) AS wanted (action)
CROSS JOIN LATERAL (
    SELECT * FROM repairs
    WHERE action = wanted.action AND run_by = %(by)s AND run_at >= %(since)s
    ORDER BY run_at DESC, id DESC
    LIMIT %(limit)s
) r
JOIN cases k ON k.id = r.case_id
LEFT JOIN commands c ON c.id = r.command_id AND c.order_id = r.order_id
ORDER BY r.run_at DESC, r.id DESC
