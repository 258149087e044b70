-- A published set with its files; one that is there already is left as it is.
INSERT INTO policy_sets (id, name, date, digest, files, published_at, published_by, reason, serial)
SELECT %(id)s, %(name_)s, %(date)s, %(digest)s, %(files)s::jsonb, %(now)s, %(by)s, %(reason)s, coalesce(max(serial), 0) + 1 FROM policy_sets
ON CONFLICT (id) DO NOTHING RETURNING serial
