-- Which of these entries still stand, read after the locks.
SELECT a.kind, a.id, a.order_id, a.due_at FROM agenda a
JOIN unnest(%(kinds)s::text[], %(ids)s::bigint[]) u (kind, id) USING (kind, id) WHERE a.due_at <= %(now)s
