-- Many orders at once: its phase, derived state, dates and chain. A write names the version that it saw, and counts only where it still stands.
UPDATE orders o
SET (phase, state, version, last_at, policy_set, time_zone, customer_ref, segment, priority, vulnerable, test, channel, region, catalog_version, requested_at, committed_first_at, committed_at, supplier_at, forecast_at, actual_at, snapshot, fingerprint, quote, approvals, parties, links, correlation_id, traceparent, frozen, last_lane, last_seq, last_digest, reported)
    = (SELECT r.phase, r.state, r.version, r.last_at, r.policy_set, r.time_zone, r.customer_ref, r.segment, r.priority, r.vulnerable, r.test, r.channel, r.region, r.catalog_version, r.requested_at, r.committed_first_at, r.committed_at, r.supplier_at, r.forecast_at, r.actual_at, r.snapshot, r.fingerprint, r.quote, r.approvals, r.parties, r.links, r.correlation_id, r.traceparent, r.frozen, r.last_lane, r.last_seq, r.last_digest, r.reported FROM jsonb_populate_record(o, e.row) r)
FROM jsonb_to_recordset(%(rows)s::jsonb) e (id bigint, version bigint, row jsonb)
WHERE o.id = e.id AND o.version = e.version
