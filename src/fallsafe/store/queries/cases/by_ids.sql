-- The cases that somebody works on, to lock their orders before anything is decided.
SELECT id, order_id, case_key FROM cases WHERE id = ANY(%(ids)s) ORDER BY id
