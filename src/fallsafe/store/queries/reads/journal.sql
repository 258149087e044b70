-- The records of one order, oldest first, a part at a time.
SELECT lane, seq, order_id, version, at, thing, thing_id, verb, payload, digest FROM journal
WHERE order_id = %(id)s AND version > %(after)s ORDER BY version LIMIT %(limit)s
