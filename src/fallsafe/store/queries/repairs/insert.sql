-- New rows of repairs, many at once; every column comes from the value that the journal records.
INSERT INTO repairs
SELECT r.* FROM jsonb_populate_recordset(NULL::repairs, %(rows)s::jsonb) r
