-- New rows of tasks, many at once; every column comes from the value that the journal records.
INSERT INTO tasks
SELECT r.* FROM jsonb_populate_recordset(NULL::tasks, %(rows)s::jsonb) r
