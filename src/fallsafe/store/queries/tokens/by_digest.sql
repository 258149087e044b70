-- Whose token this is, and what they may themselves; whether it still counts is for the reader of the row to say.
SELECT t.id, t.kind, t.person, t.actor_kind, t.roles, t.groups, t.created_at, t.expires_at, t.revoked_at, t.used_at,
       p.roles AS their_roles, p.groups AS their_groups, p.left_at
FROM tokens t LEFT JOIN people p ON t.actor_kind = 'person' AND p.name = t.person
WHERE t.digest = %(digest)s
