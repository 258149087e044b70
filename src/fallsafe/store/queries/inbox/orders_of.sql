-- The order that each received callback speaks of, read without a lock; null while no command of its sender has the key.
SELECT i.id, c.order_id FROM inbox i
LEFT JOIN commands c ON c.key = i.key AND c.system = i.system AND c.purpose <> 'query' WHERE i.id = ANY(%(ids)s)
