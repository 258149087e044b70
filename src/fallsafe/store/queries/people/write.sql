-- What somebody may do from now on.
UPDATE people SET title = %(title)s, roles = %(roles)s, groups = %(groups)s, left_at = %(left_at)s, version = %(version)s
WHERE name = %(person)s
