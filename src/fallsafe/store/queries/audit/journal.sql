-- Every record, order by order.
SELECT order_id, version, payload, digest FROM journal ORDER BY order_id, version, at, lane, seq
