-- Open cases in working order. The order is cut into ranges of severity and due time, each read along its index from where the page before ended; the ranges come from what now is.
SELECT k.*, o.source AS order_source, o.external_id AS order_external_id, o.state AS order_state, o.customer_ref,
       o.segment, o.committed_at, o.time_zone, i.external_id AS item_external_id, i.offer, i.state AS item_state,
       t.step AS task_step, t.state AS task_state, c.key AS command_key, c.state AS command_state, c.retries
FROM (
    SELECT s.rank, c.* FROM unnest(%(ranks)s::int[], %(levels)s::int[], %(lows)s::timestamptz[], %(highs)s::timestamptz[], %(after_ids)s::bigint[])
        s (rank, level, low, high, after_id),
    LATERAL (
        SELECT coalesce(k.sla_due_at, timestamptz '9999-01-01Z') AS due, k.* FROM cases k
        WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
          AND CASE k.severity WHEN 'critical' THEN 1 WHEN 'high' THEN 2 WHEN 'medium' THEN 3 WHEN 'low' THEN 4 ELSE 5 END = s.level
          AND (coalesce(k.sla_due_at, timestamptz '9999-01-01Z'), k.id) > (s.low, s.after_id)
          AND coalesce(k.sla_due_at, timestamptz '9999-01-01Z') <= s.high
          /* reads/matching */
        ORDER BY coalesce(k.sla_due_at, timestamptz '9999-01-01Z'), k.id LIMIT %(limit)s) c
    ORDER BY s.rank, c.due, c.id LIMIT %(limit)s) k
LEFT JOIN orders o ON o.id = k.order_id
LEFT JOIN items i ON i.id = k.item_id
LEFT JOIN tasks t ON t.id = k.task_id
LEFT JOIN commands c ON c.id = k.command_id
ORDER BY k.rank, k.due, k.id
