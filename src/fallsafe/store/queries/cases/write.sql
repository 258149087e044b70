-- Many cases at once: the managed state of a failure. A write names the state that it saw, and counts only where it still stands.
WITH e AS (SELECT entry FROM jsonb_array_elements(%(rows)s::jsonb) entry)
UPDATE cases o
SET (item_id, task_id, command_id, case_key, state, code, domain, cause, recoverability, automation, severity, points, reasons, owner_group, assignee, system, operation, raw_code, raw_message, fingerprint, detector, occurred_at, detected_at, touched_at, sla_due_at, customer_impact, amount_minor, currency, message_key, blocked_tasks, occurrences, next_action, waiting_for, related, resolution, rule, policy_set, escalated_to, repair, handling)
    = (r.item_id, r.task_id, r.command_id, r.case_key, r.state, r.code, r.domain, r.cause, r.recoverability, r.automation, r.severity, r.points, r.reasons, r.owner_group, r.assignee, r.system, r.operation, r.raw_code, r.raw_message, r.fingerprint, r.detector, r.occurred_at, r.detected_at, r.touched_at, r.sla_due_at, r.customer_impact, r.amount_minor, r.currency, r.message_key, r.blocked_tasks, r.occurrences, r.next_action, r.waiting_for, r.related, r.resolution, r.rule, r.policy_set, r.escalated_to, r.repair, r.handling)
FROM e, jsonb_populate_record(NULL::cases, e.entry -> 'row') r
WHERE o.id = r.id AND o.state = e.entry ->> 'was'
