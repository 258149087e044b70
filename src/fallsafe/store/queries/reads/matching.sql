-- What of the case k is asked for; each part is left out of a statement where nothing is asked of it. The parts stand in the statements that list, count and freeze cases.
-- when open
AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
-- when ended
AND k.state IN ('resolved', 'closed', 'merged', 'withdrawn', 'not_resolved')
-- when state
AND k.state = ANY(%(state)s::text[])
-- when not_state
AND k.state <> ALL(%(not_state)s::text[])
-- when severity
AND k.severity = ANY(%(severity)s::text[])
-- when not_severity
AND k.severity <> ALL(%(not_severity)s::text[])
-- when owner
AND k.owner_group = ANY(%(owner)s::text[])
-- when not_owner
AND k.owner_group <> ALL(%(not_owner)s::text[])
-- when assignee
AND k.assignee = ANY(%(assignee)s::text[])
-- when not_assignee
AND k.assignee <> ALL(%(not_assignee)s::text[])
-- when code
AND k.code = ANY(%(code)s::text[])
-- when not_code
AND k.code <> ALL(%(not_code)s::text[])
-- when domain
AND k.domain = ANY(%(domain)s::text[])
-- when not_domain
AND k.domain <> ALL(%(not_domain)s::text[])
-- when recover
AND k.recoverability = ANY(%(recover)s::text[])
-- when not_recover
AND k.recoverability <> ALL(%(not_recover)s::text[])
-- when system
AND k.system = ANY(%(system)s::text[])
-- when not_system
AND k.system <> ALL(%(not_system)s::text[])
-- when operation
AND k.operation = ANY(%(operation)s::text[])
-- when not_operation
AND k.operation <> ALL(%(not_operation)s::text[])
-- when raw
AND k.raw_code = ANY(%(raw)s::text[])
-- when not_raw
AND k.raw_code <> ALL(%(not_raw)s::text[])
-- when group
AND k.fingerprint = ANY(%(group)s::text[])
-- when not_group
AND k.fingerprint <> ALL(%(not_group)s::text[])
-- when impact
AND k.customer_impact = ANY(%(impact)s::text[])
-- when not_impact
AND k.customer_impact <> ALL(%(not_impact)s::text[])
-- when case
AND k.id = ANY(%(case)s::bigint[])
-- when not_case
AND k.id <> ALL(%(not_case)s::bigint[])
-- when order
AND k.order_id = ANY(%(order)s::bigint[])
-- when not_order
AND k.order_id <> ALL(%(not_order)s::bigint[])
-- when sla
AND (('breached' = ANY(%(sla)s::text[]) AND k.sla_due_at <= %(now)s) OR ('none' = ANY(%(sla)s::text[]) AND k.sla_due_at IS NULL)
     OR ('at_risk' = ANY(%(sla)s::text[]) AND k.sla_due_at > %(now)s AND %(now)s - k.detected_at >= (k.sla_due_at - %(now)s) + (k.sla_due_at - %(now)s) + (k.sla_due_at - %(now)s))
     OR ('on_track' = ANY(%(sla)s::text[]) AND k.sla_due_at > %(now)s AND %(now)s - k.detected_at < (k.sla_due_at - %(now)s) + (k.sla_due_at - %(now)s) + (k.sla_due_at - %(now)s)))
-- when not_sla
AND NOT coalesce((('breached' = ANY(%(not_sla)s::text[]) AND k.sla_due_at <= %(now)s) OR ('none' = ANY(%(not_sla)s::text[]) AND k.sla_due_at IS NULL)
     OR ('at_risk' = ANY(%(not_sla)s::text[]) AND k.sla_due_at > %(now)s AND %(now)s - k.detected_at >= (k.sla_due_at - %(now)s) + (k.sla_due_at - %(now)s) + (k.sla_due_at - %(now)s))
     OR ('on_track' = ANY(%(not_sla)s::text[]) AND k.sla_due_at > %(now)s AND %(now)s - k.detected_at < (k.sla_due_at - %(now)s) + (k.sla_due_at - %(now)s) + (k.sla_due_at - %(now)s))), false)
-- when detected_after
AND k.detected_at >= %(detected_after)s::timestamptz
-- when detected_before
AND k.detected_at <= %(detected_before)s::timestamptz
-- when due_after
AND k.sla_due_at >= %(due_after)s::timestamptz
-- when due_before
AND k.sla_due_at <= %(due_before)s::timestamptz
-- when seen_min
AND k.occurrences >= %(seen_min)s::bigint
-- when seen_max
AND k.occurrences <= %(seen_max)s::bigint
-- when amount_min
AND k.amount_minor >= %(amount_min)s::numeric * CASE WHEN k.currency = ANY(%(no_cents)s::text[]) THEN 1 WHEN k.currency = ANY(%(thousandths)s::text[]) THEN 1000 ELSE 100 END
-- when amount_max
AND k.amount_minor <= %(amount_max)s::numeric * CASE WHEN k.currency = ANY(%(no_cents)s::text[]) THEN 1 WHEN k.currency = ANY(%(thousandths)s::text[]) THEN 1000 ELSE 100 END
-- when waiting
AND jsonb_typeof(k.waiting_for) = 'object'
-- when escalated
AND k.escalated_to <> ''
-- when unknown
AND k.recoverability = 'unknown_outcome'
     AND (k.command_id IS NULL OR EXISTS (SELECT 1 FROM commands c WHERE c.id = k.command_id AND c.state = 'unknown'))
-- when retries_min
AND EXISTS (SELECT 1 FROM commands c WHERE c.id = k.command_id AND c.retries >= %(retries_min)s::bigint)
-- when retries_max
AND EXISTS (SELECT 1 FROM commands c WHERE c.id = k.command_id AND c.retries <= %(retries_max)s::bigint)
-- when step
AND EXISTS (SELECT 1 FROM tasks t WHERE t.id = k.task_id AND t.step = ANY(%(step)s::text[]))
-- when not_step
AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = k.task_id AND t.step = ANY(%(not_step)s::text[]))
-- when offer
AND EXISTS (SELECT 1 FROM items i WHERE i.id = k.item_id AND i.offer = ANY(%(offer)s::text[]))
-- when not_offer
AND NOT EXISTS (SELECT 1 FROM items i WHERE i.id = k.item_id AND i.offer = ANY(%(not_offer)s::text[]))
-- when customer
AND EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.customer_ref = ANY(%(customer)s::text[]))
-- when not_customer
AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.customer_ref = ANY(%(not_customer)s::text[]))
-- when segment
AND EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.segment = ANY(%(segment)s::text[]))
-- when not_segment
AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.segment = ANY(%(not_segment)s::text[]))
-- when region
AND EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.region = ANY(%(region)s::text[]))
-- when not_region
AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.region = ANY(%(not_region)s::text[]))
-- when catalog
AND EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.catalog_version = ANY(%(catalog)s::text[]))
-- when not_catalog
AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.catalog_version = ANY(%(not_catalog)s::text[]))
-- when source
AND EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.source = ANY(%(source)s::text[]))
-- when not_source
AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.source = ANY(%(not_source)s::text[]))
-- when ref
AND EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.external_id = ANY(%(ref)s::text[]))
-- when not_ref
AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.external_id = ANY(%(not_ref)s::text[]))
-- when correlation
AND EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.correlation_id = ANY(%(correlation)s::text[]))
-- when not_correlation
AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = k.order_id AND o.correlation_id = ANY(%(not_correlation)s::text[]))
-- when words
AND EXISTS (SELECT 1 FROM case_words w WHERE w.case_id = k.id AND w.words @@ lower(%(words)s)::tsquery)
-- when found
AND k.id = ANY(%(found)s::bigint[])
