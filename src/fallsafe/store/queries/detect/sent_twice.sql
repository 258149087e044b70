-- Commands that were sent again although neither "nothing was sent" nor "absent" was said of the attempt before (P2), and
-- tasks with two commands that are open at once; without those that have a case.
SELECT a.order_id, a.command_id, a.n FROM attempts a JOIN commands c ON c.id = a.command_id AND c.order_id = a.order_id
WHERE a.at > %(since)s AND a.n > 1 AND a.worker <> 'rewound' AND c.purpose <> 'query'
  AND NOT EXISTS (
    SELECT 1 FROM outcomes o WHERE o.order_id = a.order_id AND o.command_id = a.command_id
    AND o.says IN ('not_sent', 'absent') AND o.disposition = 'applied' AND o.at <= a.at
    AND o.at >= (SELECT max(b.at) FROM attempts b WHERE b.order_id = a.order_id AND b.command_id = a.command_id AND b.n < a.n))
  AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.command_id = c.id AND k.code = 'DUPLICATE_EFFECT')
UNION ALL
SELECT c.order_id, max(c.id), 0 FROM commands c
WHERE c.purpose <> 'query' AND c.state IN ('intended', 'sending', 'accepted', 'unknown', 'absent')
  AND c.intended_at > %(since)s
GROUP BY c.order_id, c.task_id HAVING count(*) > 1
   AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.task_id = c.task_id AND k.code = 'DUPLICATE_EFFECT')
ORDER BY 1, 2 LIMIT %(limit)s
