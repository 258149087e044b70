-- The numbers in the menu of every page: how many cases are open, of how many the outcome is unknown, and how many repairs wait for a second person, not counting what this person asked for.
SELECT open.cases AS open, open.unknown, (SELECT count(*) FROM repairs WHERE state = 'awaited' AND expires_at > %(now)s AND asked_by <> %(me)s) AS awaited
FROM (SELECT coalesce(sum(cases), 0)::bigint AS cases, coalesce(sum(cases) FILTER (WHERE recoverability = 'unknown_outcome'), 0)::bigint AS unknown
      FROM case_numbers) open
