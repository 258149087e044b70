-- Looks at what is set aside come back later, so that they do not stand before the looks that can be taken.
UPDATE agenda a SET due_at = %(until)s FROM unnest(%(kinds)s::text[], %(ids)s::bigint[]) u (kind, id)
WHERE a.kind = u.kind AND a.id = u.id RETURNING a.id
