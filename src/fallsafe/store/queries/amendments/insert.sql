-- New rows of amendments, many at once; every column comes from the value that the journal records.
INSERT INTO amendments
SELECT r.* FROM jsonb_populate_recordset(NULL::amendments, %(rows)s::jsonb) r
