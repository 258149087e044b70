-- Everybody, those who have left last.
SELECT name, title, roles, groups, password, wrong_in_a_row, locked_until, left_at, version, created_at
FROM people ORDER BY left_at IS NOT NULL, name
