-- The amendments of orders that are locked, or that a reader asks for.
SELECT * FROM amendments WHERE order_id = ANY(%(ids)s) ORDER BY order_id, id
