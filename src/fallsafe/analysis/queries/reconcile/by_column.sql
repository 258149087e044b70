-- How often each column differs.
SELECT {counts}
FROM {kept}
WHERE kind = 'mismatch' AND NOT unsettled
