-- Adds the rows of each kind up into one, so that reading the numbers stays short; rows that somebody else holds are left for the next time.
WITH taken AS (
    DELETE FROM case_numbers WHERE ctid = ANY(ARRAY(SELECT ctid FROM case_numbers LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING *)
INSERT INTO case_numbers
SELECT state, severity, owner_group, assigned, code, domain, recoverability, system, sum(cases)
FROM taken GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(cases) <> 0
