-- Migrations form one line, so the last one tells which have run.
SELECT version_num FROM schema_version
