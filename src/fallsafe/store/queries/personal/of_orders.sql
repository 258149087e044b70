-- The sealed personal values of orders, to fill a request's template.
SELECT order_id, path, sealed FROM personal WHERE order_id = ANY(%(ids)s)
