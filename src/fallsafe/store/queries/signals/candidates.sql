-- The candidates that a source or a rule version has waiting, oldest first.
SELECT id, order_id FROM signals WHERE state = 'candidate'
  AND (%(source)s::text IS NULL OR source = %(source)s) AND (%(rule)s::text IS NULL OR rule = %(rule)s)
  AND (%(policy_set)s::text IS NULL OR policy_set = %(policy_set)s)
ORDER BY id LIMIT %(limit)s
