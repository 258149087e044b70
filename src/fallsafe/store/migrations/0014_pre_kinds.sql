-- Counting open cases of a kind by their time reads this index alone, not the rows: everything that facets ask for is in it.
CREATE INDEX cases_kinds ON cases (sla_due_at, detected_at)
    INCLUDE (severity, owner_group, assignee, state, code, domain, recoverability, system)
    WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating');
DROP INDEX cases_late;
-- It does so where the rows beside it have been vacuumed since they changed.
ALTER TABLE cases SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
