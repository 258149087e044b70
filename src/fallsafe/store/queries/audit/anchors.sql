-- Every anchor that was set.
SELECT thing_id, at, payload FROM journal WHERE order_id = 0 AND thing = 'anchor' ORDER BY thing_id
