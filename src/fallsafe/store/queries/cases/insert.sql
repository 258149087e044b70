-- New rows of cases, many at once; every column comes from the value that the journal records.
INSERT INTO cases
SELECT r.* FROM jsonb_populate_recordset(NULL::cases, %(rows)s::jsonb) r
