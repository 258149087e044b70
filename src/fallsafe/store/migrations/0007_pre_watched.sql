-- Orders that another engine executes: what it last said of them, and its reports, each once, with what became of them.
ALTER TABLE orders ADD COLUMN reported jsonb;
ALTER TABLE tasks ADD COLUMN reported jsonb;

CREATE TABLE reports (
    id bigint PRIMARY KEY,
    source text NOT NULL,
    external_id text NOT NULL,
    order_external_id text NOT NULL,
    order_id bigint,
    content text NOT NULL,
    evidence_id bigint NOT NULL,
    evidence_order_id bigint NOT NULL,
    received_at timestamptz NOT NULL,
    state text NOT NULL,
    UNIQUE (source, external_id)
) WITH (fillfactor = 80);

GRANT SELECT, INSERT, UPDATE, DELETE ON reports TO fallsafe_app;
