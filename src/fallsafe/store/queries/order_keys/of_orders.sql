-- Wrapped data keys of orders.
SELECT order_id, wrapped FROM order_keys WHERE order_id = ANY(%(ids)s)
