-- Signals by id, locked.
SELECT * FROM signals WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE
