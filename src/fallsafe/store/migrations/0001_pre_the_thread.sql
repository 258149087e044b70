-- The first tables: orders and their work, the command ledger, cases, agenda, journal, sealed evidence.
-- Append-only tables are partitioned by the time-ordered order id, so that a sealed period can be detached whole.

CREATE TABLE installation (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    sending boolean NOT NULL DEFAULT true,
    stopped_because text NOT NULL DEFAULT '',
    stopped_at timestamptz,
    rewinds bigint NOT NULL DEFAULT 0
);
INSERT INTO installation DEFAULT VALUES;

CREATE TABLE lanes (
    lane smallint PRIMARY KEY,
    owner text NOT NULL DEFAULT '',
    fence bigint NOT NULL DEFAULT 0,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    seq bigint NOT NULL DEFAULT 0,
    link bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    id_last bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO lanes (lane) SELECT generate_series(0, 255);

CREATE TABLE workers (
    name text PRIMARY KEY,
    kind text NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    in_hand bigint[] NOT NULL DEFAULT '{}',
    facts jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);

CREATE TABLE suspects (
    order_id bigint PRIMARY KEY,
    deaths integer NOT NULL
);

CREATE TABLE policy_sets (
    id text PRIMARY KEY,
    name text NOT NULL,
    date text NOT NULL,
    digest text NOT NULL,
    files jsonb NOT NULL,
    published_at timestamptz NOT NULL,
    published_by text NOT NULL,
    reason text NOT NULL,
    serial bigint NOT NULL UNIQUE
);

CREATE TABLE people (
    name text PRIMARY KEY,
    title text NOT NULL,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE tokens (
    id bigint PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('api', 'session', 'code')),
    person text NOT NULL,
    actor_kind text NOT NULL,
    roles text[] NOT NULL,
    digest text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    used_at timestamptz
);

CREATE TABLE idempotency_keys (
    principal text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    body_digest text NOT NULL,
    status smallint NOT NULL,
    answer text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (principal, route, key)
);

CREATE TABLE orders (
    id bigint PRIMARY KEY,
    source text NOT NULL,
    external_id text NOT NULL,
    phase text NOT NULL,
    state text NOT NULL,
    version bigint NOT NULL,
    received_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    policy_set text NOT NULL,
    time_zone text NOT NULL,
    customer_ref text NOT NULL,
    segment text NOT NULL,
    priority integer NOT NULL,
    vulnerable boolean NOT NULL,
    test boolean NOT NULL,
    channel text NOT NULL,
    region text NOT NULL,
    catalog_version text NOT NULL,
    requested_at timestamptz,
    committed_first_at timestamptz,
    committed_at timestamptz,
    supplier_at timestamptz,
    forecast_at timestamptz,
    actual_at timestamptz,
    snapshot jsonb NOT NULL,
    fingerprint text NOT NULL,
    quote jsonb,
    approvals jsonb,
    parties jsonb,
    links jsonb,
    correlation_id text NOT NULL,
    traceparent text NOT NULL,
    frozen jsonb,
    last_lane smallint NOT NULL,
    last_seq bigint NOT NULL,
    last_digest text NOT NULL,
    UNIQUE (source, external_id)
) WITH (fillfactor = 70);
CREATE INDEX orders_customer ON orders (customer_ref);

CREATE TABLE items (
    id bigint PRIMARY KEY,
    order_id bigint NOT NULL,
    external_id text NOT NULL,
    parent_id bigint,
    action text NOT NULL,
    offer text NOT NULL,
    quantity integer NOT NULL,
    place jsonb,
    characteristics jsonb,
    one_off_minor bigint NOT NULL,
    monthly_minor bigint NOT NULL,
    currency text NOT NULL,
    term_months integer NOT NULL,
    regulated boolean NOT NULL,
    existing_service text NOT NULL,
    state text NOT NULL,
    hold_code text NOT NULL,
    UNIQUE (order_id, external_id)
) WITH (fillfactor = 80);

CREATE TABLE tasks (
    id bigint PRIMARY KEY,
    order_id bigint NOT NULL,
    item_id bigint NOT NULL,
    step text NOT NULL,
    type text NOT NULL,
    system text NOT NULL,
    operation text NOT NULL,
    executor text NOT NULL,
    mandatory boolean NOT NULL,
    state text NOT NULL,
    pending integer NOT NULL,
    depends_on bigint[] NOT NULL,
    next bigint[] NOT NULL,
    undo text NOT NULL,
    ponr text NOT NULL,
    ready_at timestamptz,
    sent_at timestamptz,
    accepted_at timestamptz,
    completed_at timestamptz,
    expected_at timestamptz,
    warning_at timestamptz,
    breach_at timestamptz,
    valid_until timestamptz,
    reference text NOT NULL,
    result jsonb,
    waiting jsonb,
    frozen jsonb
) WITH (fillfactor = 60);
CREATE INDEX tasks_order ON tasks (order_id);

CREATE TABLE commands (
    id bigint PRIMARY KEY,
    order_id bigint NOT NULL,
    task_id bigint NOT NULL,
    purpose text NOT NULL,
    n integer NOT NULL,
    key text NOT NULL UNIQUE,
    system text NOT NULL,
    operation text NOT NULL,
    state text NOT NULL,
    intended_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    retries integer NOT NULL,
    payload_digest text NOT NULL,
    request_evidence_id bigint,
    first_sent_at timestamptz,
    last_sent_at timestamptz,
    ended_at timestamptz,
    accepted_at timestamptz,
    done_at timestamptz,
    lease_until timestamptz,
    lease_worker text NOT NULL,
    reference text NOT NULL,
    lost_because text NOT NULL,
    looks integer NOT NULL,
    empty_looks integer NOT NULL,
    first_empty_at timestamptz,
    pending_looks integer NOT NULL,
    target_id bigint,
    look integer NOT NULL,
    method text NOT NULL,
    finding text NOT NULL,
    contract_set text NOT NULL
) WITH (fillfactor = 60);
CREATE INDEX commands_order ON commands (order_id);

CREATE TABLE cases (
    id bigint PRIMARY KEY,
    order_id bigint NOT NULL,
    item_id bigint,
    task_id bigint,
    command_id bigint,
    case_key text NOT NULL,
    state text NOT NULL,
    code text NOT NULL,
    domain text NOT NULL,
    cause text NOT NULL,
    recoverability text NOT NULL,
    automation text NOT NULL,
    severity text NOT NULL,
    points integer NOT NULL,
    reasons jsonb,
    owner_group text NOT NULL,
    assignee text NOT NULL,
    system text NOT NULL,
    operation text NOT NULL,
    raw_code text NOT NULL,
    raw_message text NOT NULL,
    fingerprint text NOT NULL,
    detector text NOT NULL,
    occurred_at timestamptz NOT NULL,
    detected_at timestamptz NOT NULL,
    touched_at timestamptz NOT NULL,
    sla_due_at timestamptz,
    customer_impact text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    message_key text NOT NULL,
    blocked_tasks integer NOT NULL,
    occurrences integer NOT NULL,
    next_action text NOT NULL,
    waiting_for jsonb,
    related jsonb,
    resolution jsonb,
    rule text NOT NULL,
    policy_set text NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX cases_order ON cases (order_id);
CREATE UNIQUE INDEX cases_one_open ON cases (case_key)
    WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating');
CREATE INDEX cases_open ON cases (detected_at, id)
    WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating');
CREATE INDEX cases_fingerprint ON cases (fingerprint, detected_at);

-- The only thing that workers claim. A row may be early, never late.
CREATE TABLE agenda (
    shard smallint NOT NULL,
    gate smallint NOT NULL,
    due_at timestamptz NOT NULL,
    kind text NOT NULL,
    id bigint NOT NULL,
    order_id bigint,
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX agenda_due ON agenda (shard, gate, due_at, kind, id);
CREATE INDEX agenda_id ON agenda (id);

CREATE TABLE gates (
    system text PRIMARY KEY,
    gate smallint NOT NULL UNIQUE
);

-- What came in from outside and is not applied yet; the bytes stand in evidence.
CREATE TABLE inbox (
    id bigint PRIMARY KEY,
    system text NOT NULL,
    event_id text NOT NULL,
    key text NOT NULL,
    order_id bigint,
    evidence_id bigint NOT NULL,
    evidence_order_id bigint NOT NULL,
    received_at timestamptz NOT NULL,
    tries integer NOT NULL,
    state text NOT NULL,
    UNIQUE (system, event_id)
);

CREATE TABLE order_keys (
    order_id bigint PRIMARY KEY,
    wrapped bytea NOT NULL
);
CREATE TABLE personal (
    order_id bigint NOT NULL,
    path text NOT NULL,
    sealed bytea NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (order_id, path)
);

CREATE TABLE journal (
    lane smallint NOT NULL,
    seq bigint NOT NULL,
    order_id bigint NOT NULL,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    thing text NOT NULL,
    thing_id bigint NOT NULL,
    verb text NOT NULL,
    payload text NOT NULL,
    digest bytea NOT NULL,
    link bytea NOT NULL,
    PRIMARY KEY (lane, seq, order_id)
) PARTITION BY RANGE (order_id);
CREATE INDEX journal_order ON journal (order_id, version);
CREATE INDEX journal_of_things ON journal (thing, thing_id) WHERE order_id = 0;

CREATE TABLE evidence (
    id bigint NOT NULL,
    order_id bigint NOT NULL,
    command_id bigint,
    attempt integer NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    media_type text NOT NULL,
    sensitivity text NOT NULL,
    size integer NOT NULL,
    head text NOT NULL,
    at timestamptz NOT NULL,
    digest text NOT NULL,
    sealed_digest text NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (order_id, id)
) PARTITION BY RANGE (order_id);

CREATE TABLE attempts (
    order_id bigint NOT NULL,
    command_id bigint NOT NULL,
    n integer NOT NULL,
    at timestamptz NOT NULL,
    worker text NOT NULL,
    lease_until timestamptz NOT NULL,
    contract_set text NOT NULL,
    PRIMARY KEY (order_id, command_id, n)
) PARTITION BY RANGE (order_id);

CREATE TABLE outcomes (
    id bigint NOT NULL,
    order_id bigint NOT NULL,
    command_id bigint NOT NULL,
    attempt integer NOT NULL,
    at timestamptz NOT NULL,
    source text NOT NULL,
    says text NOT NULL,
    reference text NOT NULL,
    raw_code text NOT NULL,
    message text NOT NULL,
    disposition text NOT NULL,
    occurred_at timestamptz,
    evidence bigint[] NOT NULL,
    PRIMARY KEY (order_id, id)
) PARTITION BY RANGE (order_id);
CREATE INDEX outcomes_command ON outcomes (order_id, command_id);

-- Order ids are milliseconds since 2025-01-01 shifted by 22 bits; id 0 belongs to things without an order.
DO $$
DECLARE
    kept text;
    quarter date;
    low bigint;
    high bigint;
BEGIN
    FOREACH kept IN ARRAY ARRAY['journal', 'evidence', 'attempts', 'outcomes'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (0) TO (1)', kept || '_loose', kept);
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', kept || '_rest', kept);
        FOR quarter IN SELECT generate_series(date '2026-10-01', date '2027-10-01', interval '3 months')::date LOOP
            low := (quarter - date '2025-01-01') * 86400000::bigint << 22;
            high := ((quarter + interval '3 months')::date - date '2025-01-01') * 86400000::bigint << 22;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)',
                           kept || '_' || to_char(quarter, 'YYYY"q"Q'), kept, low, high);
        END LOOP;
    END LOOP;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON journal FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER evidence_append_only BEFORE UPDATE OR DELETE ON evidence FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER attempts_append_only BEFORE UPDATE OR DELETE ON attempts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER outcomes_append_only BEFORE UPDATE OR DELETE ON outcomes FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Coverage (P1), from tasks, cases and agenda alone: what is live and has no time at which it is next looked at, or no reason to wait.
CREATE VIEW coverage_gaps AS
    SELECT t.order_id, 'task' AS thing, t.id AS thing_id, 'a live task has neither an agenda entry, an open case nor a predecessor to wait for' AS gap
    FROM tasks t
    WHERE t.state NOT IN ('completed', 'skipped', 'cancelled', 'undone')
      AND NOT EXISTS (SELECT 1 FROM agenda a WHERE a.id = t.id)
      AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.task_id = t.id
                      AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating'))
      AND NOT (t.state = 'planned' AND EXISTS (
          SELECT 1 FROM tasks p WHERE p.id = ANY (t.depends_on) AND p.state NOT IN ('completed', 'skipped', 'cancelled', 'undone')))
    UNION ALL
    SELECT k.order_id, 'case', k.id, 'an open case has no agenda entry'
    FROM cases k
    WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
      AND NOT EXISTS (SELECT 1 FROM agenda a WHERE a.id = k.id)
    UNION ALL
    SELECT o.id, 'order', o.id, 'an order that is not final has no agenda entry of its own'
    FROM orders o
    WHERE o.state NOT IN ('rejected', 'cancelled', 'completed', 'failed', 'partial')
      AND NOT EXISTS (SELECT 1 FROM agenda a WHERE a.kind = 'review' AND a.id = o.id)
    UNION ALL
    SELECT i.order_id, 'item', i.id, 'a held item has no agenda entry and no open case'
    FROM items i
    WHERE i.state = 'held' AND i.hold_code <> ''
      AND NOT EXISTS (SELECT 1 FROM agenda a WHERE a.id = i.id)
      AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.item_id = i.id
                      AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating'));

GRANT USAGE ON SCHEMA public TO fallsafe_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO fallsafe_app;
DO $$
DECLARE
    kept regclass;
BEGIN
    FOR kept IN SELECT c.oid::regclass FROM pg_class c
                WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
                  AND c.relname ~ '^(journal|evidence|attempts|outcomes)' LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM fallsafe_app', kept);
    END LOOP;
END $$;
