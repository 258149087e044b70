-- The order of each received callback's key, read without a lock; null while no command has the key.
SELECT i.key, c.order_id FROM inbox i LEFT JOIN commands c ON c.key = i.key WHERE i.id = ANY(%(ids)s)
