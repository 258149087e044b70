-- How many cases are open, of each kind: the numbers beside the list.
SELECT state, severity, owner_group, assigned, code, domain, recoverability, system, sum(cases)::bigint AS cases
FROM case_numbers GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(cases) <> 0
