-- The entries of orders, for pages and for the progress look.
SELECT kind, id, order_id, due_at, gate FROM agenda WHERE order_id = ANY(%(ids)s) ORDER BY due_at, kind, id
