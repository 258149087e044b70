-- Orders, newest first by id (ids carry the time of intake).
SELECT * FROM orders
WHERE (%(source)s::text IS NULL OR source = %(source)s)
  AND (%(externals)s::text[] IS NULL OR external_id = ANY(%(externals)s))
  AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
  AND (%(customer_ref)s::text IS NULL OR customer_ref = %(customer_ref)s)
  AND (%(after_id)s::bigint IS NULL OR id < %(after_id)s)
ORDER BY id DESC LIMIT %(limit)s
