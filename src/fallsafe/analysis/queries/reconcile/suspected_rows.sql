-- The rows of one side that have to be looked at closely.
CREATE TABLE {rows} AS
SELECT {used}
FROM {relation}
WHERE {key} IN (SELECT key FROM {suspects} WHERE key IS NOT NULL)
