-- What the product ran by itself of some actions since a time, newest first: of which system, and what became of it.
SELECT r.id, r.action, r.state, r.run_at, k.system, k.state AS case_state, k.resolution ->> 'repair' AS proved_by,
       coalesce((k.resolution ->> 'verified')::boolean, false) AS verified, c.state AS command_state,
       k.repair ->> 'id' AS waits_for
FROM repairs r
JOIN cases k ON k.id = r.case_id
LEFT JOIN commands c ON c.id = r.command_id AND c.order_id = r.order_id
WHERE r.action = ANY(%(actions)s) AND r.run_by = %(by)s AND r.run_at >= %(since)s
ORDER BY r.run_at DESC, r.id DESC
LIMIT %(limit)s
