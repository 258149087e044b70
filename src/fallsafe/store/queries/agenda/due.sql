-- What is due in these shards at one gate, oldest first, without a lock: the orders are locked next, and only what still stands then counts.
SELECT a.kind, a.id, a.order_id, a.due_at
FROM unnest(%(shards)s::smallint[]) s (shard),
     LATERAL (SELECT kind, id, order_id, due_at FROM agenda
              WHERE shard = s.shard AND gate = %(gate)s AND due_at <= %(now)s AND kind = ANY(%(kinds)s)
              ORDER BY due_at, kind, id LIMIT %(per_shard)s) a
ORDER BY a.due_at, a.kind, a.id LIMIT %(limit)s
