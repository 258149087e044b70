-- Everybody who may sign in, to compare with their records.
SELECT * FROM people ORDER BY name
