-- How many cases were proved to be mended since a time, and how many of them by what ran by itself.
SELECT count(*) AS proved, count(*) FILTER (WHERE r.run_by = %(by)s) AS by_itself
FROM cases k
JOIN repairs r ON r.case_id = k.id AND 'RA-' || r.id = k.resolution ->> 'repair'
WHERE k.touched_at >= %(since)s AND (k.resolution ->> 'verified')::boolean
