-- What was received from outside, and what became of it.
SELECT * FROM inbox ORDER BY id
