-- New reports, unique for their engine and its id; a repeat is answered as such.
INSERT INTO reports SELECT r.* FROM jsonb_populate_recordset(NULL::reports, %(rows)s::jsonb) r ORDER BY r.source, r.external_id
ON CONFLICT (source, external_id) DO NOTHING RETURNING id
