-- The same for workers: an order that somebody else holds is left for the next look.
SELECT id, last_digest FROM orders WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE SKIP LOCKED
