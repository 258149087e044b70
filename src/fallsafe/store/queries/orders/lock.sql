-- The lock of an order: every change of it happens under this row lock, taken in the order of ids.
SELECT id, last_digest FROM orders WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE
