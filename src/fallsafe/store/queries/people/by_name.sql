-- Somebody by their name.
SELECT name, title, roles, created_at FROM people WHERE name = %(person)s
