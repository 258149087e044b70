-- Open cases in the order in which they are worked: what is due within the next hours first, then by severity, and in each what is not late yet before what is; the page goes on after the last row of the page before.
SELECT k.*, o.source AS order_source, o.external_id AS order_external_id, o.state AS order_state, o.customer_ref,
       o.segment, o.committed_at, o.time_zone, i.external_id AS item_external_id, i.offer, i.state AS item_state,
       t.step AS task_step, t.state AS task_state, c.key AS command_key, c.state AS command_state
FROM (
    SELECT cases.*, band, level, late, due
    FROM cases, LATERAL (SELECT
        CASE WHEN sla_due_at > %(now)s AND sla_due_at <= %(soon)s THEN 0 ELSE 1 END AS band,
        coalesce(array_position(ARRAY['critical', 'high', 'medium', 'low'], severity), 5) AS level,
        CASE WHEN sla_due_at <= %(now)s THEN 1 ELSE 0 END AS late,
        coalesce(sla_due_at, '9999-01-01Z') AS due) place
    WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
      AND (%(after_id)s::bigint IS NULL
           OR (band, level, late, due, id) > (%(after_band)s, %(after_level)s, %(after_late)s, %(after_due)s, %(after_id)s))
    ORDER BY band, level, late, due, id LIMIT %(limit)s) k
LEFT JOIN orders o ON o.id = k.order_id
LEFT JOIN items i ON i.id = k.item_id
LEFT JOIN tasks t ON t.id = k.task_id
LEFT JOIN commands c ON c.id = k.command_id
ORDER BY k.band, k.level, k.late, k.due, k.id
