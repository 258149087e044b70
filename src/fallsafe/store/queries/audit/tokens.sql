-- Every token, to compare with its records.
SELECT * FROM tokens ORDER BY id
