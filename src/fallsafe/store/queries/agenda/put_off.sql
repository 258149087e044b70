-- Looks at what is set aside come back later, so that they do not stand before the looks that can be taken; not at what
-- was given back meanwhile.
UPDATE agenda a SET due_at = %(until)s FROM unnest(%(kinds)s::text[], %(ids)s::bigint[]) u (kind, id)
WHERE a.kind = u.kind AND a.id = u.id
  AND EXISTS (SELECT 1 FROM suspects s WHERE s.order_id = coalesce(a.order_id, a.id) AND s.set_aside_at IS NOT NULL)
RETURNING a.id
