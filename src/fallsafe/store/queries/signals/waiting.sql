-- Signals that wait for orders of these names.
SELECT s.id FROM signals s
JOIN unnest(%(sources)s::text[], %(externals)s::text[]) u (source, external_id)
    ON s.order_source = u.source AND s.order_external_id = u.external_id
WHERE s.order_id IS NULL AND s.state IN ('received', 'unmatched') ORDER BY s.id
