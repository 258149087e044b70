-- New rows of commands, many at once; every column comes from the value that the journal records.
INSERT INTO commands
SELECT r.* FROM jsonb_populate_recordset(NULL::commands, %(rows)s::jsonb) r
