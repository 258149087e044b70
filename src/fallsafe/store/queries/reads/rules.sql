-- What became of the cases of each version of a rule, and of its candidates; the newest versions first.
WITH judged AS (
    SELECT rule, policy_set, count(*) AS cases,
           count(*) FILTER (WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing',
                                            'revalidating')) AS open,
           count(*) FILTER (WHERE state = 'withdrawn') AS withdrawn,
           count(*) FILTER (WHERE state IN ('resolved', 'closed', 'not_resolved')) AS confirmed,
           max(detected_at) AS last_at
    FROM cases GROUP BY rule, policy_set
), held AS (
    SELECT rule, policy_set, count(*) AS candidates FROM signals WHERE state = 'candidate' GROUP BY rule, policy_set
), shadowed AS (
    SELECT unnest(shadow) AS rule, policy_set, count(*) AS shadow FROM signals WHERE shadow <> '{}' GROUP BY 1, 2
)
SELECT rule, policy_set, coalesce(cases, 0) AS cases, coalesce(open, 0) AS open, coalesce(withdrawn, 0) AS withdrawn,
       coalesce(confirmed, 0) AS confirmed, coalesce(candidates, 0) AS candidates, coalesce(shadow, 0) AS shadow, last_at
FROM judged FULL JOIN held USING (rule, policy_set) FULL JOIN shadowed USING (rule, policy_set)
WHERE %(rule)s::text IN ('', rule)
ORDER BY last_at DESC NULLS LAST, rule, policy_set LIMIT %(limit)s
