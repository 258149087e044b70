-- The names and types of the columns of a table in PostgreSQL, and nothing else of it.
SELECT * FROM {table} LIMIT 0
