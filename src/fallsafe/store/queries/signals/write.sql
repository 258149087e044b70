-- What became of signals, many at once. A write names the state that it saw, and counts only where it still stands.
UPDATE signals o
SET (order_id, tries, state, case_id, code, rule, policy_set, shadow)
    = (SELECT r.order_id, r.tries, r.state, r.case_id, r.code, r.rule, r.policy_set, r.shadow FROM jsonb_populate_record(o, e.row) r)
FROM jsonb_to_recordset(%(rows)s::jsonb) e (id bigint, was text, row jsonb)
WHERE o.id = e.id AND o.state = e.was
