-- Anchors that the file of a home may not have yet.
SELECT thing_id, at, payload FROM journal WHERE order_id = 0 AND thing = 'anchor' AND thing_id > %(number)s ORDER BY thing_id LIMIT %(limit)s
