-- What the queue needs to stay fast: its orders as indexes, how many open cases there are of each kind, and saved views.
-- The state of a case is in the predicate of each index, so none of them costs a case that ended anything.

CREATE INDEX cases_working ON cases (
        (CASE severity WHEN 'critical' THEN 1 WHEN 'high' THEN 2 WHEN 'medium' THEN 3 WHEN 'low' THEN 4 ELSE 5 END),
        (coalesce(sla_due_at, timestamptz '9999-01-01Z')), id)
    WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating');
CREATE INDEX cases_newest ON cases (id)
    WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating');
CREATE INDEX cases_by_value ON cases (amount_minor, id)
    WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating');
CREATE INDEX cases_late ON cases (sla_due_at, detected_at)
    WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating');
CREATE INDEX orders_correlation ON orders (correlation_id) WHERE correlation_id <> '';

-- Each statement that changes cases adds what it changed in the numbers, in its own transaction and without waiting for
-- anybody; the number of a kind is the sum of its rows. From time to time a worker adds the rows of a kind up into one.
CREATE TABLE case_numbers (
    state text NOT NULL,
    severity text NOT NULL,
    owner_group text NOT NULL,
    assigned boolean NOT NULL,
    code text NOT NULL,
    domain text NOT NULL,
    recoverability text NOT NULL,
    system text NOT NULL,
    cases bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE FUNCTION count_cases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO case_numbers
        SELECT state, severity, owner_group, assignee <> '', code, domain, recoverability, system, count(*)
        FROM after_it
        WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO case_numbers
        SELECT state, severity, owner_group, assignee <> '', code, domain, recoverability, system, -count(*)
        FROM before_it
        WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
    ELSE
        INSERT INTO case_numbers
        SELECT state, severity, owner_group, assigned, code, domain, recoverability, system, sum(n)
        FROM (SELECT state, severity, owner_group, assignee <> '' AS assigned, code, domain, recoverability, system, 1 AS n
              FROM after_it
              UNION ALL
              SELECT state, severity, owner_group, assignee <> '', code, domain, recoverability, system, -1
              FROM before_it) moved
        WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(n) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER cases_counted_in AFTER INSERT ON cases REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION count_cases();
CREATE TRIGGER cases_counted_again AFTER UPDATE ON cases REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION count_cases();
CREATE TRIGGER cases_counted_out AFTER DELETE ON cases REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION count_cases();
INSERT INTO case_numbers
SELECT state, severity, owner_group, assignee <> '', code, domain, recoverability, system, count(*)
FROM cases
WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;

CREATE TABLE saved_views (
    id bigint PRIMARY KEY,
    scope text NOT NULL CHECK (scope IN ('own', 'team', 'everyone')),
    owner text NOT NULL,
    title text NOT NULL,
    query text NOT NULL,
    sort text NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    UNIQUE (scope, owner, title)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON case_numbers, saved_views TO fallsafe_app;
