-- A gate for a downstream that a published set names.
INSERT INTO gates (system, gate) SELECT s, (SELECT coalesce(max(gate), 0) FROM gates) + row_number() OVER (ORDER BY s)
FROM unnest(%(systems)s::text[]) s WHERE s NOT IN (SELECT system FROM gates)
