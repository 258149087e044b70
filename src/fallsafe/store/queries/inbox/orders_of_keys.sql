-- The orders that systems speak of when they name these keys, read without a lock.
SELECT u.system, u.key, c.order_id FROM unnest(%(systems)s::text[], %(keys)s::text[]) u (system, key)
JOIN commands c ON c.key = u.key AND c.system = u.system AND c.purpose <> 'query'
