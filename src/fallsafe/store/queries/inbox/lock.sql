-- Received facts that are due to be applied, by their ids.
SELECT * FROM inbox WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE SKIP LOCKED
