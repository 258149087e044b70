-- Signals by the names that their sources gave them, read without a lock.
SELECT s.* FROM signals s JOIN unnest(%(sources)s::text[], %(externals)s::text[]) u (source, external_id) USING (source, external_id)
