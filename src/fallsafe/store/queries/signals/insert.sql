-- New signals, unique for their source and its id; a repeat is answered as such.
INSERT INTO signals SELECT r.* FROM jsonb_populate_recordset(NULL::signals, %(rows)s::jsonb) r ORDER BY r.source, r.external_id
ON CONFLICT (source, external_id) DO NOTHING RETURNING id
