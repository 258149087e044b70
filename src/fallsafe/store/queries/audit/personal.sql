-- Every sealed personal value, order by order.
SELECT order_id, path, sealed, digest FROM personal ORDER BY order_id, path
