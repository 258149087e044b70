-- A one-time code under its lock, so that it is used once.
SELECT id, kind, person, actor_kind, roles, groups, created_at, expires_at, revoked_at, used_at
FROM tokens WHERE digest = %(digest)s FOR UPDATE
