-- Lines that cannot be rows, with the first few: what is no object has no columns.
SELECT
    count(*) AS rows,
    list('line ' || rowid + 1 || ': ' || left(line, 80) ORDER BY rowid)[1:3] AS examples
FROM {relation}
WHERE line IS NOT NULL AND trim(line) <> '' AND (NOT json_valid(line) OR json_type(line) <> 'OBJECT')
