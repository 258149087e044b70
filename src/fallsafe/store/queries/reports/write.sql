-- What became of reports, many at once. A write names the state that it saw, and counts only where it still stands.
UPDATE reports o
SET (order_id, state) = (SELECT r.order_id, r.state FROM jsonb_populate_record(o, e.row) r)
FROM jsonb_to_recordset(%(rows)s::jsonb) e (id bigint, was text, row jsonb)
WHERE o.id = e.id AND o.state = e.was
