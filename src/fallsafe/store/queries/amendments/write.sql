-- Many amendments at once: what came back. A write names the state that it saw, and counts only where it still stands.
UPDATE amendments o
SET (case_id, state, answered_by, answered_at, reference, ended_because, superseded, fingerprint_now)
    = (SELECT r.case_id, r.state, r.answered_by, r.answered_at, r.reference, r.ended_because, r.superseded, r.fingerprint_now FROM jsonb_populate_record(o, e.row) r)
FROM jsonb_to_recordset(%(rows)s::jsonb) e (id bigint, was text, row jsonb)
WHERE o.id = e.id AND o.state = e.was
