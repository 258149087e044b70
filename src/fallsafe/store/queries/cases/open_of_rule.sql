-- The open cases that one version of a rule has opened, oldest first.
SELECT id FROM cases WHERE rule = %(rule)s AND policy_set = %(policy_set)s
  AND state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
ORDER BY id LIMIT %(limit)s
