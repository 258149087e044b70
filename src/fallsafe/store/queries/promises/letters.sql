-- The commands of an operation whose answers a person reads.
SELECT c.id, c.key, c.state, o.external_id FROM commands c JOIN orders o ON o.id = c.order_id
WHERE c.operation = %(operation)s AND c.purpose = 'fulfill' ORDER BY c.id
