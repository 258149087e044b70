-- How the cases ended that were detected since a time (ids carry it), up to a limit: by itself, by people, proved or not.
SELECT state, coalesce(resolution ->> 'type', '') AS how, coalesce((resolution ->> 'verified')::boolean, false) AS verified, coalesce(resolution ->> 'by', '') <> '' AS by_person, count(*) AS cases
FROM (SELECT state, resolution FROM cases WHERE id >= %(first)s AND state IN ('resolved', 'closed', 'merged', 'withdrawn', 'not_resolved') LIMIT %(limit)s) k
GROUP BY 1, 2, 3, 4
