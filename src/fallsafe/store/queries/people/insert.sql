-- Somebody who may sign in, with what they may do; one who is known keeps what they have.
INSERT INTO people (name, title, roles, groups, created_at)
VALUES (%(person)s, %(title)s, %(roles)s, %(groups)s, %(now)s)
ON CONFLICT (name) DO NOTHING RETURNING name
