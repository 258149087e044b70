-- Looks that were taken, and entries of things that ended.
DELETE FROM agenda a USING unnest(%(kinds)s::text[], %(ids)s::bigint[]) u (kind, id) WHERE a.kind = u.kind AND a.id = u.id
