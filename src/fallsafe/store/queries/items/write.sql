-- Many items at once: its derived state. A write names the state that it saw, and counts only where it still stands.
UPDATE items o
SET (external_id, parent_id, action, offer, quantity, place, characteristics, one_off_minor, monthly_minor, currency, term_months, regulated, existing_service, state, hold_code)
    = (SELECT r.external_id, r.parent_id, r.action, r.offer, r.quantity, r.place, r.characteristics, r.one_off_minor, r.monthly_minor, r.currency, r.term_months, r.regulated, r.existing_service, r.state, r.hold_code FROM jsonb_populate_record(o, e.row) r)
FROM jsonb_to_recordset(%(rows)s::jsonb) e (id bigint, was text, row jsonb)
WHERE o.id = e.id AND o.state = e.was
