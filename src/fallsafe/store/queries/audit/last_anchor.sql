-- The newest anchor, from which the next one goes on.
SELECT thing_id, at, payload FROM journal WHERE order_id = 0 AND thing = 'anchor' ORDER BY thing_id DESC LIMIT 1
