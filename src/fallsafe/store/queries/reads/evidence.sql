-- What is known of the evidence of one order, without opening it.
SELECT id, order_id, command_id, attempt, kind, source, media_type, sensitivity, size, head, at, digest, sealed_digest
FROM evidence WHERE order_id = %(id)s ORDER BY at, id
