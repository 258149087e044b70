-- Every piece of sealed evidence.
SELECT id, order_id, command_id, attempt, kind, source, media_type, sensitivity, size, head, at, digest, sealed_digest, sealed FROM evidence ORDER BY order_id, id
