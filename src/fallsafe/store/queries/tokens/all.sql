-- API tokens, the newest first.
SELECT id, kind, person, actor_kind, roles, groups, created_at, expires_at, revoked_at, used_at
FROM tokens WHERE kind = 'api' AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s
