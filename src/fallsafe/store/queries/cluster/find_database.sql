-- A database cannot be created "if it is not there", so it is looked for first.
SELECT 1 FROM pg_database WHERE datname = %(name)s
