-- What is due in these shards, at each gate no more than there is room for, oldest first, without a lock: the orders are
-- locked next, and only what still stands then counts. The first entry of each shard and gate is stepped to, so that
-- shards and gates at which nothing waits cost nothing.
WITH RECURSIVE firsts AS (
    SELECT s.shard, f.gate, f.due_at
    FROM unnest(%(shards)s::smallint[]) s (shard),
         LATERAL (SELECT gate, due_at FROM agenda WHERE shard = s.shard ORDER BY gate, due_at LIMIT 1) f
    UNION ALL
    SELECT p.shard, f.gate, f.due_at
    FROM firsts p,
         LATERAL (SELECT gate, due_at FROM agenda WHERE shard = p.shard AND gate > p.gate ORDER BY gate, due_at LIMIT 1) f),
waits AS (SELECT gate, array_agg(shard) AS shards FROM firsts WHERE due_at <= %(now)s GROUP BY gate)
SELECT a.kind, a.id, a.order_id, a.due_at, g.gate
FROM unnest(%(gates)s::smallint[], %(rooms)s::integer[]) g (gate, room) JOIN waits w USING (gate),
     LATERAL (SELECT d.kind, d.id, d.order_id, d.due_at
              FROM unnest(w.shards) s (shard),
                   LATERAL (SELECT kind, id, order_id, due_at FROM agenda
                            WHERE shard = s.shard AND gate = g.gate AND due_at <= %(now)s AND kind = ANY(%(kinds)s)
                            ORDER BY due_at, kind, id LIMIT g.room) d
              ORDER BY d.due_at, d.kind, d.id LIMIT g.room) a
ORDER BY a.due_at, a.kind, a.id
