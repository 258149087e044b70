-- Every received callback, to compare with its records.
SELECT * FROM inbox ORDER BY id
