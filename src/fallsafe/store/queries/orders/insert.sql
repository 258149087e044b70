-- New rows of orders, many at once; every column comes from the value that the journal records.
INSERT INTO orders
SELECT r.* FROM jsonb_populate_recordset(NULL::orders, %(rows)s::jsonb) r
ORDER BY r.source, r.external_id
ON CONFLICT (source, external_id) DO NOTHING
RETURNING id
