-- Orders that are locked.
SELECT * FROM orders WHERE id = ANY(%(ids)s)
