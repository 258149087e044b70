-- Reports that are due to be applied, in the order in which they came.
SELECT * FROM reports WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE SKIP LOCKED
