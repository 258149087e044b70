-- What was received, unique for its sender and event id; a repeat is answered as such.
INSERT INTO inbox (id, system, event_id, key, order_id, evidence_id, evidence_order_id, received_at, tries, state)
SELECT r.* FROM jsonb_populate_recordset(NULL::inbox, %(rows)s::jsonb) r ORDER BY r.system, r.event_id
ON CONFLICT (system, event_id) DO NOTHING RETURNING id
