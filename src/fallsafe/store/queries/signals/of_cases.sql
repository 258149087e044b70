-- How many signals belong to each case, and how many of them still stand.
SELECT case_id, count(*) AS signals, count(*) FILTER (WHERE state = 'standing') AS standing
FROM signals WHERE case_id = ANY(%(ids)s) AND ends = '' GROUP BY case_id
