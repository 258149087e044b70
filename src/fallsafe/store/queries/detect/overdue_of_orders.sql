-- The looks at these orders that should have come long ago, read under their locks.
SELECT order_id, kind AS thing, id AS thing_id, due_at FROM agenda
WHERE order_id = ANY(%(ids)s) AND due_at < %(late)s AND kind <> 'send'
  AND (kind <> 'lookup' OR (SELECT sending FROM installation))
ORDER BY order_id, due_at, kind, id
