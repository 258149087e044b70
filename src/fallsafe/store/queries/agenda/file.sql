-- The next look at each thing; an entry may be early, never late.
INSERT INTO agenda (shard, gate, due_at, kind, id, order_id)
SELECT shard, gate, due_at, kind, id, order_id FROM jsonb_populate_recordset(NULL::agenda, %(rows)s::jsonb)
ON CONFLICT (kind, id) DO UPDATE SET due_at = LEAST(agenda.due_at, excluded.due_at), gate = excluded.gate
