-- The commands of orders that are locked.
SELECT * FROM commands WHERE order_id = ANY(%(ids)s) ORDER BY order_id, id
