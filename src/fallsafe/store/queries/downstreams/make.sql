-- A row for each downstream that something is noted of for the first time.
INSERT INTO downstreams (system, gate, state, why, failures, probes, moves)
SELECT s, g, 'clear', '', 0, 0, 0 FROM unnest(%(systems)s::text[], %(gates)s::smallint[]) u (s, g) ORDER BY s ON CONFLICT DO NOTHING
