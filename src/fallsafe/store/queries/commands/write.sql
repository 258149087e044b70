-- Many commands at once: what is known of the effect. A write names the state that it saw, and counts only where it still stands.
UPDATE commands o
SET (task_id, purpose, n, key, system, operation, state, intended_at, attempts, retries, payload_digest, request_evidence_id, first_sent_at, last_sent_at, ended_at, accepted_at, done_at, lease_until, lease_worker, reference, lost_because, looks, empty_looks, first_empty_at, pending_looks, target_id, look, method, finding, contract_set, failing_since)
    = (SELECT r.task_id, r.purpose, r.n, r.key, r.system, r.operation, r.state, r.intended_at, r.attempts, r.retries, r.payload_digest, r.request_evidence_id, r.first_sent_at, r.last_sent_at, r.ended_at, r.accepted_at, r.done_at, r.lease_until, r.lease_worker, r.reference, r.lost_because, r.looks, r.empty_looks, r.first_empty_at, r.pending_looks, r.target_id, r.look, r.method, r.finding, r.contract_set, r.failing_since FROM jsonb_populate_record(o, e.row) r)
FROM jsonb_to_recordset(%(rows)s::jsonb) e (id bigint, was text, row jsonb)
WHERE o.id = e.id AND o.state = e.was
