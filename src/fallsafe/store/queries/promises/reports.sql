-- What engines reported, and what became of it.
SELECT * FROM reports ORDER BY id
