-- The stored orders of names that came again, to lock and compare them.
SELECT o.id FROM orders o JOIN unnest(%(sources)s::text[], %(externals)s::text[]) u (source, external_id) USING (source, external_id)
