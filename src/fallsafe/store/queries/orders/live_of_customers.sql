-- What customers have ordered and is still live: the items that stand alone and have a place, for suspected duplicates.
SELECT o.id AS order_id, o.source, o.external_id, o.customer_ref, i.external_id AS item, i.offer, i.action
FROM orders o JOIN items i ON i.order_id = o.id
WHERE o.customer_ref = ANY(%(customers)s::text[]) AND o.received_at >= %(since)s
  AND o.state NOT IN ('rejected', 'completed', 'failed', 'cancelled', 'partial')
  AND i.parent_id IS NULL AND i.place IS NOT NULL AND i.action <> 'noChange'
ORDER BY o.id
