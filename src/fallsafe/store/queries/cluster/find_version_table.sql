-- A database without this table has never been migrated.
SELECT to_regclass('public.schema_version') IS NOT NULL
