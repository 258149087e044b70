-- Many tasks at once: its state and times. A write names the state that it saw, and counts only where it still stands.
UPDATE tasks o
SET (item_id, step, type, system, operation, executor, mandatory, state, pending, depends_on, next, undo, ponr, ready_at, sent_at, accepted_at, completed_at, expected_at, warning_at, breach_at, valid_until, reference, result, waiting, frozen, reported)
    = (SELECT r.item_id, r.step, r.type, r.system, r.operation, r.executor, r.mandatory, r.state, r.pending, r.depends_on, r.next, r.undo, r.ponr, r.ready_at, r.sent_at, r.accepted_at, r.completed_at, r.expected_at, r.warning_at, r.breach_at, r.valid_until, r.reference, r.result, r.waiting, r.frozen, r.reported FROM jsonb_populate_record(o, e.row) r)
FROM jsonb_to_recordset(%(rows)s::jsonb) e (id bigint, was text, row jsonb)
WHERE o.id = e.id AND o.state = e.was
