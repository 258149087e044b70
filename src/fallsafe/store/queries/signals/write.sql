-- What became of signals, many at once. A write names the state that it saw, and counts only where it still stands.
WITH e AS (SELECT entry FROM jsonb_array_elements(%(rows)s::jsonb) entry)
UPDATE signals s SET (order_id, tries, state, case_id, code, rule, policy_set, shadow)
    = (r.order_id, r.tries, r.state, r.case_id, r.code, r.rule, r.policy_set, r.shadow)
FROM e, jsonb_populate_record(NULL::signals, e.entry -> 'row') r
WHERE s.id = r.id AND s.state = e.entry ->> 'was'
