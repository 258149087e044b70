-- The open case of a key under its own lock, for things that belong to no order.
SELECT * FROM cases WHERE case_key = %(case_key)s
  AND state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating') FOR UPDATE
