-- The records of a thing that belongs to no order, oldest first.
SELECT lane, seq, order_id, version, at, thing, thing_id, verb, payload, digest FROM journal
WHERE order_id = 0 AND thing = %(thing)s AND thing_id = %(id)s ORDER BY at, lane, seq LIMIT %(limit)s
