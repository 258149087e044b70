-- The cases of orders that are locked.
SELECT * FROM cases WHERE order_id = ANY(%(ids)s) ORDER BY order_id, id
