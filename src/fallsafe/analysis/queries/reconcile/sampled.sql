-- One block of rows in a hundred is enough to see that keys are often repeated: then they are set aside before anything
-- is joined.
SELECT count(*) - count(DISTINCT key)
FROM (SELECT {key} AS key FROM {relation} TABLESAMPLE system (1%) WHERE {has_key})
