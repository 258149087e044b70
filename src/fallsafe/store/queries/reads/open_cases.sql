-- Open cases, newest first, with what a list says of their order and task; the page goes on after the last row of the page before.
SELECT k.*, o.source AS order_source, o.external_id AS order_external_id, o.state AS order_state, o.customer_ref,
       o.segment, o.committed_at, o.time_zone, i.external_id AS item_external_id, i.offer, i.state AS item_state,
       t.step AS task_step, t.state AS task_state, c.key AS command_key, c.state AS command_state
FROM cases k
LEFT JOIN orders o ON o.id = k.order_id
LEFT JOIN items i ON i.id = k.item_id
LEFT JOIN tasks t ON t.id = k.task_id
LEFT JOIN commands c ON c.id = k.command_id
WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
  AND (%(states)s::text[] IS NULL OR k.state = ANY(%(states)s))
  AND (%(severities)s::text[] IS NULL OR k.severity = ANY(%(severities)s))
  AND (%(owners)s::text[] IS NULL OR k.owner_group = ANY(%(owners)s))
  AND (%(codes)s::text[] IS NULL OR k.code = ANY(%(codes)s))
  AND (%(order_id)s::bigint IS NULL OR k.order_id = %(order_id)s)
  AND (%(after_at)s::timestamptz IS NULL OR (k.detected_at, k.id) < (%(after_at)s, %(after_id)s::bigint))
ORDER BY k.detected_at DESC, k.id DESC LIMIT %(limit)s
