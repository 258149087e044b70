-- Whoever is signed in is no longer: sessions and links of somebody whose rights or password changed. Which ones.
UPDATE tokens SET revoked_at = %(now)s
WHERE person = %(person)s AND actor_kind = 'person' AND kind = ANY(%(kinds)s) AND revoked_at IS NULL
  AND digest <> %(but)s
RETURNING id, kind, person, actor_kind, roles, groups, created_at, expires_at, revoked_at, used_at
