-- The whole table as PostgreSQL sees it at this moment, in the form that is read fastest.
COPY (SELECT * FROM {table}) TO STDOUT (FORMAT csv, NULL {no_value})
