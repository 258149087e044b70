-- What is due in these shards, at each gate no more than there is room for, oldest first, without a lock: the orders are
-- locked next, and only what still stands then counts.
SELECT a.kind, a.id, a.order_id, a.due_at, g.gate
FROM unnest(%(gates)s::smallint[], %(rooms)s::integer[]) g (gate, room),
     LATERAL (SELECT d.kind, d.id, d.order_id, d.due_at
              FROM unnest(%(shards)s::smallint[]) s (shard),
                   LATERAL (SELECT kind, id, order_id, due_at FROM agenda
                            WHERE shard = s.shard AND gate = g.gate AND due_at <= %(now)s AND kind = ANY(%(kinds)s)
                            ORDER BY due_at, kind, id LIMIT g.room) d
              ORDER BY d.due_at, d.kind, d.id LIMIT g.room) a
ORDER BY a.due_at, a.kind, a.id
