-- Signals from outside: each once for its source and the source's id, with what became of it; what it says is evidence.
CREATE TABLE signals (
    id bigint PRIMARY KEY,
    source text NOT NULL,
    external_id text NOT NULL,
    order_source text NOT NULL,
    order_external_id text NOT NULL,
    order_id bigint,
    ends text NOT NULL,
    looked integer NOT NULL,
    content text NOT NULL,
    evidence_id bigint NOT NULL,
    evidence_order_id bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    tries integer NOT NULL,
    state text NOT NULL,
    case_id bigint,
    code text NOT NULL,
    rule text NOT NULL,
    policy_set text NOT NULL,
    shadow text[] NOT NULL,
    UNIQUE (source, external_id)
) WITH (fillfactor = 80);
CREATE INDEX signals_case ON signals (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX signals_waiting ON signals (order_source, order_external_id) WHERE order_id IS NULL;
CREATE INDEX signals_order ON signals (order_id) WHERE order_id IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON signals TO fallsafe_app;
