-- What became of reports, many at once. A write names the state that it saw, and counts only where it still stands.
WITH e AS (SELECT entry FROM jsonb_array_elements(%(rows)s::jsonb) entry)
UPDATE reports s SET (order_id, state) = (r.order_id, r.state)
FROM e, jsonb_populate_record(NULL::reports, e.entry -> 'row') r
WHERE s.id = r.id AND s.state = e.entry ->> 'was'
