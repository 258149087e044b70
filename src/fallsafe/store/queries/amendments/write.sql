-- Many amendments at once: what came back. A write names the state that it saw, and counts only where it still stands.
WITH e AS (SELECT entry FROM jsonb_array_elements(%(rows)s::jsonb) entry)
UPDATE amendments o
SET (state, answered_by, answered_at, reference, ended_because, superseded, fingerprint_now)
    = (r.state, r.answered_by, r.answered_at, r.reference, r.ended_because, r.superseded, r.fingerprint_now)
FROM e, jsonb_populate_record(NULL::amendments, e.entry -> 'row') r
WHERE o.id = r.id AND o.state = e.entry ->> 'was'
