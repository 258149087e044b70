-- The published policy sets without their files, newest first.
SELECT id, name, date, digest, published_at, published_by, reason, serial FROM policy_sets ORDER BY serial DESC LIMIT %(limit)s
