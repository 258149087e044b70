-- The health of downstreams, to be compared with its records.
SELECT * FROM downstreams ORDER BY system
