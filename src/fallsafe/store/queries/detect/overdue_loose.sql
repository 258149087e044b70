-- Looks at what belongs to no order (received facts, cases without an order, downstreams) that should have come long ago.
SELECT kind, count(*) AS looks, min(due_at) AS due_at FROM agenda
WHERE order_id IS NULL AND due_at < %(late)s GROUP BY kind ORDER BY kind
