-- The newest records of one order, oldest first.
SELECT * FROM (SELECT lane, seq, order_id, version, at, thing, thing_id, verb, payload, digest FROM journal
               WHERE order_id = %(id)s ORDER BY version DESC LIMIT %(limit)s) newest ORDER BY version
