-- The orders that repairs belong to, read without a lock.
SELECT id, order_id, case_id FROM repairs WHERE id = ANY(%(ids)s)
