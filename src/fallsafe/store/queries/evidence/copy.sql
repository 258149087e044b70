-- Sealed bytes of many orders at once; insert-only.
COPY evidence (id, order_id, command_id, attempt, kind, source, media_type, sensitivity, size, head, at, digest, sealed_digest, sealed) FROM STDIN (FORMAT binary)
