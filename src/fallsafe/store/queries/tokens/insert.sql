-- A new token, by the digest of it; the digest of a token that is known already is left as it is.
INSERT INTO tokens (id, kind, person, actor_kind, roles, groups, digest, created_at, expires_at)
VALUES (%(id)s, %(kind)s, %(person)s, %(actor_kind)s, %(roles)s, %(groups)s, %(digest)s, %(now)s, %(expires_at)s)
ON CONFLICT (digest) DO NOTHING RETURNING id
