-- How often each action was run for failures of one fingerprint, and how often that was proved to mend them.
SELECT r.action, count(*) AS ran,
       count(*) FILTER (WHERE k.resolution ->> 'repair' = 'RA-' || r.id AND (k.resolution ->> 'verified')::boolean) AS proved
FROM cases k
JOIN repairs r ON r.case_id = k.id AND r.run_at IS NOT NULL
WHERE k.fingerprint = %(fingerprint)s
GROUP BY r.action
