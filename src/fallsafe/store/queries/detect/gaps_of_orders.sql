-- What of these orders is live and nobody will ever look at, read under their locks.
SELECT order_id, thing, thing_id, gap FROM coverage_gaps WHERE order_id = ANY(%(ids)s) ORDER BY order_id, thing_id
