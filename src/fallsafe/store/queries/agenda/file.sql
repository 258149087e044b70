-- The next look at each thing; an entry may be early, never late.
INSERT INTO agenda (shard, gate, due_at, kind, id, order_id)
SELECT * FROM unnest(%(shards)s::smallint[], %(gates)s::smallint[], %(dues)s::timestamptz[], %(kinds)s::text[], %(ids)s::bigint[], %(orders)s::bigint[])
ON CONFLICT (kind, id) DO UPDATE SET due_at = LEAST(agenda.due_at, excluded.due_at), gate = excluded.gate
