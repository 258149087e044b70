-- What was signalled from outside, and what became of it.
SELECT * FROM signals ORDER BY id
