-- Every published set with its files, oldest first.
SELECT id, name, date, digest, files, published_at, published_by, reason, serial FROM policy_sets ORDER BY serial
