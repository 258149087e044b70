-- The order that each signal speaks of, read without a lock; null while it is not here.
SELECT s.id, o.id AS order_id FROM signals s
LEFT JOIN orders o ON o.source = s.order_source AND o.external_id = s.order_external_id WHERE s.id = ANY(%(ids)s)
