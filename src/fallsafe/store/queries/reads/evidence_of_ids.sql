-- The same by id, for things without an order.
SELECT id, order_id, command_id, attempt, kind, source, media_type, sensitivity, size, head, at, digest, sealed_digest
FROM evidence WHERE order_id = 0 AND id = ANY(%(ids)s) ORDER BY at, id
