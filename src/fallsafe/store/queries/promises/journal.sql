-- The records of orders (0 = of things without one), oldest first.
SELECT order_id, payload FROM journal WHERE order_id = ANY(%(ids)s) ORDER BY order_id, version, at, lane, seq
