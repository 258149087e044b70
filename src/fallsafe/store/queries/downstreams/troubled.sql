-- The downstreams that something is the matter with, read without a lock.
SELECT * FROM downstreams WHERE state <> 'clear' OR failures > 0 ORDER BY system
