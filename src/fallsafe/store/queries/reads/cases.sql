-- Cases of any state, newest first by id (ids carry the time): what was resolved stays to be found.
SELECT k.*, o.source AS order_source, o.external_id AS order_external_id, o.state AS order_state, o.customer_ref,
       o.segment, o.committed_at, o.time_zone, i.external_id AS item_external_id, i.offer, i.state AS item_state,
       t.step AS task_step, t.state AS task_state, c.key AS command_key, c.state AS command_state
FROM cases k
LEFT JOIN orders o ON o.id = k.order_id
LEFT JOIN items i ON i.id = k.item_id
LEFT JOIN tasks t ON t.id = k.task_id
LEFT JOIN commands c ON c.id = k.command_id
WHERE (%(states)s::text[] IS NULL OR k.state = ANY(%(states)s))
  AND (%(severities)s::text[] IS NULL OR k.severity = ANY(%(severities)s))
  AND (%(owners)s::text[] IS NULL OR k.owner_group = ANY(%(owners)s))
  AND (%(codes)s::text[] IS NULL OR k.code = ANY(%(codes)s))
  AND (%(order_id)s::bigint IS NULL OR k.order_id = %(order_id)s)
  AND (%(after_id)s::bigint IS NULL OR k.id < %(after_id)s)
ORDER BY k.id DESC LIMIT %(limit)s
