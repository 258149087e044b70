-- New rows of items, many at once; every column comes from the value that the journal records.
INSERT INTO items
SELECT r.* FROM jsonb_populate_recordset(NULL::items, %(rows)s::jsonb) r
