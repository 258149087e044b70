-- The open cases of a system that belong to no order, with one of these codes.
SELECT case_key FROM cases
WHERE order_id = 0 AND system = %(system)s AND code = ANY(%(codes)s::text[])
  AND state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
ORDER BY case_key
