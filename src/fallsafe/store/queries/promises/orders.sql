-- Orders as they stand, read without a lock by whoever judges.
SELECT * FROM orders WHERE id = ANY(%(ids)s) ORDER BY id
