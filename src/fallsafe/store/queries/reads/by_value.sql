-- Open cases, those that block most money first; the page goes on after the last row of the page before.
SELECT k.*, o.source AS order_source, o.external_id AS order_external_id, o.state AS order_state, o.customer_ref,
       o.segment, o.committed_at, o.time_zone, i.external_id AS item_external_id, i.offer, i.state AS item_state,
       t.step AS task_step, t.state AS task_state, c.key AS command_key, c.state AS command_state, c.retries
FROM (SELECT k.* FROM cases k
      WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
        AND (%(after_id)s::bigint IS NULL OR (k.amount_minor, k.id) < (%(after_value)s::bigint, %(after_id)s::bigint))
        /* reads/matching */
      ORDER BY k.amount_minor DESC, k.id DESC LIMIT %(limit)s) k
LEFT JOIN orders o ON o.id = k.order_id
LEFT JOIN items i ON i.id = k.item_id
LEFT JOIN tasks t ON t.id = k.task_id
LEFT JOIN commands c ON c.id = k.command_id
ORDER BY k.amount_minor DESC, k.id DESC
