-- Downstreams by their systems, for those who note what they heard.
SELECT * FROM downstreams WHERE system = ANY(%(systems)s) ORDER BY system FOR UPDATE
