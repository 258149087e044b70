-- Requests to change the deal: what was asked, what came back, and the accepted content that one of them superseded.
CREATE TABLE amendments (
    id bigint PRIMARY KEY,
    order_id bigint NOT NULL,
    case_id bigint NOT NULL,
    repair_id bigint NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    item text NOT NULL,
    diff jsonb NOT NULL,
    requires jsonb NOT NULL,
    effects jsonb NOT NULL,
    replaced_by jsonb,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    input_evidence_id bigint NOT NULL,
    answered_by text NOT NULL,
    answered_at timestamptz,
    reference text NOT NULL,
    ended_because text NOT NULL,
    superseded jsonb,
    fingerprint_was text NOT NULL,
    fingerprint_now text NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX amendments_order ON amendments (order_id);
CREATE INDEX amendments_open ON amendments (expires_at) WHERE state = 'handed_off';

GRANT SELECT, INSERT, UPDATE, DELETE ON amendments TO fallsafe_app;
