-- What is parked at a gate and not called back yet, oldest first.
SELECT a.id, a.order_id FROM agenda a
WHERE a.gate = %(gate)s AND a.shard = ANY(%(shards)s) AND a.kind = 'release' AND a.due_at > %(now)s
ORDER BY a.id LIMIT %(limit)s
