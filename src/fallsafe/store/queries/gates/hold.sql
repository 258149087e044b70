-- What workers hold of gates from now on, where it still is as it was seen; whom somebody else is writing waits for the next look.
WITH seen AS (
    SELECT g.gate, u."then" FROM gates g
    JOIN unnest(%(gates)s::smallint[], %(was)s::jsonb[], %(then)s::jsonb[]) u (gate, was, "then") ON u.gate = g.gate
    WHERE g.held = u.was ORDER BY g.gate FOR UPDATE OF g SKIP LOCKED)
UPDATE gates g SET held = s."then" FROM seen s WHERE g.gate = s.gate RETURNING g.gate
