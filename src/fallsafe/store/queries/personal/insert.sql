-- Personal values stand once, sealed with their order's own key.
INSERT INTO personal (order_id, path, sealed, digest)
SELECT * FROM unnest(%(orders)s::bigint[], %(paths)s::text[], %(sealed)s::bytea[], %(digests)s::text[])
