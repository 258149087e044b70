-- Systems that call back: when the last callbacks of each came, and since when the words wait that have waited longest.
WITH waits AS (
    SELECT system, (array_agg(accepted_at ORDER BY accepted_at))[1:%(first)s] AS waiting FROM commands
    WHERE state = 'accepted' AND purpose <> 'query' AND system = ANY(%(systems)s) AND accepted_at IS NOT NULL
    GROUP BY system
)
SELECT s.system, coalesce(w.waiting, '{}') AS waiting, h.heard
FROM unnest(%(systems)s::text[]) s (system) LEFT JOIN waits w USING (system) CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(l.received_at ORDER BY l.id), '{}') AS heard FROM (
        SELECT i.id, i.received_at FROM inbox i WHERE i.system = s.system ORDER BY i.id DESC LIMIT %(last)s) l
) h ORDER BY s.system
