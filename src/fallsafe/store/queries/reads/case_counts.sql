-- How many cases are open, by severity and owner: the numbers beside the list.
SELECT severity, owner_group, count(*) AS cases FROM cases
WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
GROUP BY severity, owner_group
