-- What still moves by itself: all but reviews, held items, what is frozen or waits for what is or for what has lapsed, and looks at what only a person can decide or find (a file that got lost).
SELECT a.kind, a.id FROM agenda a
LEFT JOIN orders o ON o.id = a.order_id
WHERE a.kind IN ('send', 'lease', 'overdue', 'apply', 'signal', 'report', 'lookup', 'release')
  AND (a.kind <> 'release' OR a.order_id IS NOT NULL)
  AND (o.frozen IS NULL OR a.kind NOT IN ('send', 'lookup', 'release'))
  AND NOT EXISTS (SELECT 1 FROM tasks t JOIN tasks f ON f.id = t.id OR f.id = ANY(t.depends_on)
                  WHERE t.id = a.id AND a.kind IN ('send', 'release') AND f.frozen IS NOT NULL)
  AND NOT (a.kind = 'send' AND EXISTS (SELECT 1 FROM cases k WHERE k.task_id = a.id AND k.code = 'RESERVATION_LAPSED'
           AND k.state IN ('assigned', 'diagnosing', 'repairing', 'revalidating')))
  AND NOT (a.kind = 'lookup' AND EXISTS (SELECT 1 FROM cases k WHERE k.task_id = a.id AND k.code = 'LOOKUP_UNDECIDED'))
  AND NOT (a.kind = 'overdue' AND EXISTS (SELECT 1 FROM cases k JOIN tasks t ON t.id = k.task_id WHERE k.task_id = a.id AND t.system = 'WHF'
           AND k.state IN ('assigned', 'diagnosing', 'repairing', 'revalidating')))
  AND NOT EXISTS (SELECT 1 FROM suspects s WHERE s.order_id = coalesce(a.order_id, a.id) AND s.set_aside_at IS NOT NULL)
ORDER BY a.kind, a.id LIMIT 10
