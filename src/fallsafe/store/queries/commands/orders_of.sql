-- The orders that commands belong to, to lock them before anything is decided.
SELECT DISTINCT order_id FROM commands WHERE id = ANY(%(ids)s) ORDER BY order_id
