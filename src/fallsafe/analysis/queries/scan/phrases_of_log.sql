-- Which kinds of work a log knows and what happens to each: all words are interpreted once, before any row is.
SELECT coalesce({type}, '') AS type, coalesce({raw}, '') AS raw, count(*) AS n
FROM {relation}
GROUP BY ALL
ORDER BY n DESC, type, raw
LIMIT {most}
