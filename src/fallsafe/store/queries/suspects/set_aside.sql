-- No worker takes these again until a person has looked.
INSERT INTO suspects (order_id, deaths, doing, set_aside_at) SELECT i, 0, %(doing)s, %(now)s FROM unnest(%(ids)s::bigint[]) i
ON CONFLICT (order_id) DO UPDATE SET set_aside_at = coalesce(suspects.set_aside_at, excluded.set_aside_at)
