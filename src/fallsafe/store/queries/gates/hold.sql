-- What workers hold of gates from now on, where it still is as it was seen; whom somebody else is writing waits for the next look.
WITH seen AS (
    SELECT g.gate, t.value FROM gates g
    JOIN jsonb_each(%(was)s::jsonb) w ON w.key::smallint = g.gate JOIN jsonb_each(%(then)s::jsonb) t ON t.key = w.key
    WHERE g.held = w.value ORDER BY g.gate FOR UPDATE OF g SKIP LOCKED)
UPDATE gates g SET held = s.value FROM seen s WHERE g.gate = s.gate RETURNING g.gate
