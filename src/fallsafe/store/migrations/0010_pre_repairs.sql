-- Repairs: what somebody previewed, who agreed, who ran it; and the repair by which an open case is being mended.
ALTER TABLE cases ADD COLUMN repair jsonb;

CREATE TABLE repairs (
    id bigint PRIMARY KEY,
    order_id bigint NOT NULL,
    case_id bigint NOT NULL,
    action text NOT NULL,
    state text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    hash text NOT NULL,
    reads jsonb NOT NULL,
    preview jsonb NOT NULL,
    input_evidence_id bigint NOT NULL,
    reason text NOT NULL,
    approval jsonb,
    approved_by text NOT NULL,
    approved_at timestamptz,
    run_by text NOT NULL,
    run_at timestamptz,
    command_id bigint,
    ended_because text NOT NULL,
    checks jsonb
) WITH (fillfactor = 70);
CREATE INDEX repairs_order ON repairs (order_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON repairs TO fallsafe_app;
