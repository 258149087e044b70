-- Somebody by their name.
SELECT name, title, roles, groups, password, wrong_in_a_row, locked_until, left_at, version, created_at
FROM people WHERE name = %(person)s
