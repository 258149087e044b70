-- Looks that were taken, and entries of things that ended.
DELETE FROM agenda a USING jsonb_to_recordset(%(rows)s::jsonb) u (kind text, id bigint) WHERE a.kind = u.kind AND a.id = u.id
