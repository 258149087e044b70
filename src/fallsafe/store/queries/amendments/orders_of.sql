-- The orders that amendments belong to, and those that replace them, read without a lock.
SELECT a.id, a.order_id, o.id AS other_id
FROM amendments a
LEFT JOIN orders o ON o.source = a.replaced_by ->> 'source' AND o.external_id = a.replaced_by ->> 'externalId'
WHERE a.id = ANY(%(ids)s)
