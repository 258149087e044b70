-- What is parked at a gate, but for orders that are set aside: those not called back yet first, then oldest first.
SELECT a.id, a.order_id, a.due_at <= %(now)s AS called FROM agenda a
WHERE a.gate = %(gate)s AND a.shard = ANY(%(shards)s) AND a.kind = 'release'
  AND NOT EXISTS (SELECT 1 FROM suspects s WHERE s.order_id = a.order_id AND s.set_aside_at IS NOT NULL)
ORDER BY called, a.id LIMIT %(limit)s
