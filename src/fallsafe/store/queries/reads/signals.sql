-- Signals from outside with where their cases are, newest first; the page goes on after the last row of the page before.
SELECT s.*, c.state AS case_state, c.touched_at AS case_touched_at
FROM signals s LEFT JOIN cases c ON c.id = s.case_id
WHERE (%(id)s::bigint IS NULL OR s.id = %(id)s)
  AND (%(source)s::text IS NULL OR s.source = %(source)s)
  AND (%(states)s::text[] IS NULL OR s.state = ANY(%(states)s))
  AND (%(order_id)s::bigint IS NULL OR s.order_id = %(order_id)s)
  AND (%(case_id)s::bigint IS NULL OR s.case_id = %(case_id)s)
  AND (%(after_id)s::bigint IS NULL OR s.id < %(after_id)s)
ORDER BY s.id DESC LIMIT %(limit)s
