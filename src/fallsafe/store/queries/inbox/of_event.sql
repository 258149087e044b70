-- What was received under an event id before, by the digest of its bytes.
SELECT i.evidence_order_id AS order_id, e.digest FROM inbox i
JOIN evidence e ON e.order_id = i.evidence_order_id AND e.id = i.evidence_id
WHERE i.system = %(system)s AND i.event_id = %(event_id)s
