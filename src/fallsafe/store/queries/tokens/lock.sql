-- A token under its lock, to be revoked.
SELECT id, kind, person, actor_kind, roles, groups, created_at, expires_at, revoked_at, used_at FROM tokens WHERE id = %(id)s FOR UPDATE
