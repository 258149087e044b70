-- Somebody who may sign in, with what they may do; one who is known keeps their roles.
INSERT INTO people (name, title, roles, created_at) VALUES (%(person)s, %(title)s, %(roles)s, %(now)s)
ON CONFLICT (name) DO NOTHING RETURNING name
