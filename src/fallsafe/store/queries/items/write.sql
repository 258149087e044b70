-- Many items at once: its derived state. A write names the state that it saw, and counts only where it still stands.
WITH e AS (SELECT entry FROM jsonb_array_elements(%(rows)s::jsonb) entry)
UPDATE items o
SET (external_id, parent_id, action, offer, quantity, place, characteristics, one_off_minor, monthly_minor, currency, term_months, regulated, existing_service, state, hold_code)
    = (r.external_id, r.parent_id, r.action, r.offer, r.quantity, r.place, r.characteristics, r.one_off_minor, r.monthly_minor, r.currency, r.term_months, r.regulated, r.existing_service, r.state, r.hold_code)
FROM e, jsonb_populate_record(NULL::items, e.entry -> 'row') r
WHERE o.id = r.id AND o.state = e.entry ->> 'was'
