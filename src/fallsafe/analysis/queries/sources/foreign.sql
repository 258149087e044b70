-- How many rows have characters beyond ASCII that did decode: they speak for UTF-8.
SELECT count(*)
FROM {relation}
WHERE {foreign}
