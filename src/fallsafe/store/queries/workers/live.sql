-- The workers among which the shards are shared.
SELECT name FROM workers WHERE kind = 'worker' AND seen_at >= %(since)s ORDER BY name
