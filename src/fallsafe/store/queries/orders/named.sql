-- The orders of these names, read without a lock.
SELECT o.id, o.source, o.external_id FROM orders o
JOIN unnest(%(sources)s::text[], %(externals)s::text[]) u (source, external_id) USING (source, external_id)
