-- Open cases whose outcome nobody knows, oldest first: the command, how often it was looked for, what was found, and when the next look is due.
SELECT k.id, k.order_id, k.severity, k.code, k.system, k.detected_at, k.sla_due_at, k.assignee, o.source || ' ' || o.external_id AS order_name, o.customer_ref,
       t.step, c.id AS command_id, c.key, c.operation, c.lost_because, c.looks, c.empty_looks, c.pending_looks, c.last_sent_at,
       (SELECT min(a.due_at) FROM agenda a WHERE a.kind = 'lookup' AND a.id = c.id) AS next_look_at
FROM cases k JOIN commands c ON c.id = k.command_id AND c.state = 'unknown'
LEFT JOIN orders o ON o.id = k.order_id LEFT JOIN tasks t ON t.id = k.task_id
WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
  AND (%(after_id)s::bigint IS NULL OR k.id > %(after_id)s)
ORDER BY k.id LIMIT %(limit)s
