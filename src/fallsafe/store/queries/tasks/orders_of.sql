-- The orders that tasks belong to, read without a lock.
SELECT id, order_id FROM tasks WHERE id = ANY(%(ids)s)
