-- The signals that stand with these cases.
SELECT id FROM signals WHERE case_id = ANY(%(ids)s) AND state = 'standing' ORDER BY id
