-- Reports by the names that their engines gave them, read without a lock.
SELECT r.* FROM reports r JOIN unnest(%(sources)s::text[], %(externals)s::text[]) u (source, external_id) USING (source, external_id)
