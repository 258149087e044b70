-- Downstreams that are due to be looked at, by their gates; whom somebody else has in hand is looked at by them.
SELECT * FROM downstreams WHERE gate = ANY(%(gates)s) ORDER BY system FOR UPDATE SKIP LOCKED
