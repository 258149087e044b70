-- A task that waits at a gate and could try whether its downstream works again: each in its turn, after the last one.
SELECT a.kind, a.id, a.order_id FROM agenda a JOIN orders o ON o.id = a.order_id
WHERE a.gate = %(gate)s AND a.shard = ANY(%(shards)s) AND o.frozen IS NULL
  AND (a.kind = 'release' OR (a.kind = 'send' AND a.due_at <= %(now)s))
ORDER BY a.id <= %(last)s, a.id LIMIT 1
