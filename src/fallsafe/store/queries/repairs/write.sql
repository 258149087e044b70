-- Many repairs at once: who agreed, who ran it. A write names the state that it saw, and counts only where it still stands.
UPDATE repairs o
SET (case_id, action, state, asked_by, asked_at, expires_at, hash, reads, preview, input_evidence_id, reason, approval, approved_by, approved_at, run_by, run_at, command_id, ended_because, checks)
    = (SELECT r.case_id, r.action, r.state, r.asked_by, r.asked_at, r.expires_at, r.hash, r.reads, r.preview, r.input_evidence_id, r.reason, r.approval, r.approved_by, r.approved_at, r.run_by, r.run_at, r.command_id, r.ended_because, r.checks FROM jsonb_populate_record(o, e.row) r)
FROM jsonb_to_recordset(%(rows)s::jsonb) e (id bigint, was text, row jsonb)
WHERE o.id = e.id AND o.state = e.was
