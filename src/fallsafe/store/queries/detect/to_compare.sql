-- Effects that are to be asked about: they have stood long enough, still count, and were not compared lately.
SELECT c.task_id, c.order_id, c.system FROM commands c JOIN tasks t ON t.id = c.task_id AND t.order_id = c.order_id
WHERE c.id >= %(first)s AND c.id < %(last)s AND c.state = 'done' AND c.purpose = 'fulfill' AND c.operation = ANY(%(operations)s)
  AND c.done_at < %(settled)s AND t.state = 'completed' AND (t.valid_until IS NULL OR t.valid_until > %(now)s)
  AND NOT EXISTS (SELECT 1 FROM commands q WHERE q.order_id = c.order_id AND q.target_id = c.id AND q.look < 0
                  AND q.last_sent_at > greatest(c.done_at, %(since)s))
  AND NOT EXISTS (SELECT 1 FROM agenda a WHERE a.id = c.task_id AND a.kind = 'compare')
ORDER BY c.id LIMIT %(limit)s
