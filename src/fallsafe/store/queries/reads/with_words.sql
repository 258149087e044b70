-- Cases with all these words, up to a limit.
SELECT coalesce(array_agg(found.case_id), '{}') AS ids
FROM (SELECT case_id FROM case_words WHERE words @@ lower(%(words)s)::tsquery LIMIT %(limit)s) found
