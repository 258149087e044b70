-- The tasks of orders that are locked.
SELECT * FROM tasks WHERE order_id = ANY(%(ids)s) ORDER BY order_id, id
