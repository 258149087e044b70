-- The looks at these orders that should have come long ago, read under their locks.
SELECT a.order_id, a.kind AS thing, a.id AS thing_id, a.due_at FROM agenda a
WHERE a.order_id = ANY(%(ids)s) AND a.due_at < %(late)s AND a.kind <> 'send'
  AND (a.kind NOT IN ('lookup', 'check', 'compare') OR (SELECT sending FROM installation))
  AND (a.gate = 0 OR NOT EXISTS (
    SELECT 1 FROM gates g, jsonb_each(g.held) h
    WHERE g.gate = a.gate AND (h.value ->> 2)::boolean AND (h.value ->> 1)::timestamptz > %(late)s))
ORDER BY order_id, due_at, kind, id
