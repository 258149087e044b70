-- Many tasks at once: its state and times. A write names the state that it saw, and counts only where it still stands.
WITH e AS (SELECT entry FROM jsonb_array_elements(%(rows)s::jsonb) entry)
UPDATE tasks o
SET (item_id, step, type, system, operation, executor, mandatory, state, pending, depends_on, next, undo, ponr, ready_at, sent_at, accepted_at, completed_at, expected_at, warning_at, breach_at, valid_until, reference, result, waiting, frozen, reported)
    = (r.item_id, r.step, r.type, r.system, r.operation, r.executor, r.mandatory, r.state, r.pending, r.depends_on, r.next, r.undo, r.ponr, r.ready_at, r.sent_at, r.accepted_at, r.completed_at, r.expected_at, r.warning_at, r.breach_at, r.valid_until, r.reference, r.result, r.waiting, r.frozen, r.reported)
FROM e, jsonb_populate_record(NULL::tasks, e.entry -> 'row') r
WHERE o.id = r.id AND o.state = e.entry ->> 'was'
