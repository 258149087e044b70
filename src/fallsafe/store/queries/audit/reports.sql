-- Reports of engines, to be compared with their records.
SELECT * FROM reports ORDER BY id
