-- The items of orders that are locked.
SELECT * FROM items WHERE order_id = ANY(%(ids)s) ORDER BY order_id, id
