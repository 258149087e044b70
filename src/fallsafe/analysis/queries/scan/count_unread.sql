-- Why rows of a file became no events, and which: nothing is left out silently.
SELECT why, count(*) AS rows, min(example) AS example
FROM (SELECT {why} AS why, {example} AS example FROM {relation})
WHERE why IS NOT NULL
GROUP BY why
ORDER BY rows DESC
