-- A published set without its files.
SELECT id, name, date, digest, published_at, published_by, reason, serial FROM policy_sets WHERE id = %(id)s
