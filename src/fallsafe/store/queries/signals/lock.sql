-- Signals that are due to be judged, and those that they say are over, in the order of their ids.
SELECT s.* FROM signals s WHERE s.id = ANY(%(ids)s)
    OR (s.source, s.external_id) IN (SELECT e.source, e.ends FROM signals e WHERE e.id = ANY(%(ids)s) AND e.ends <> '')
ORDER BY s.id FOR UPDATE OF s SKIP LOCKED
