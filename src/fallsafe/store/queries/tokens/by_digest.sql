-- Whose token this is; whether it still counts is for the reader of the row to say.
SELECT id, kind, person, actor_kind, roles, groups, created_at, expires_at, revoked_at, used_at FROM tokens WHERE digest = %(digest)s
