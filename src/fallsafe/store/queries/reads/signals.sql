-- Signals from outside, newest first; the page goes on after the last row of the page before.
SELECT * FROM signals s
WHERE (%(source)s::text IS NULL OR s.source = %(source)s)
  AND (%(states)s::text[] IS NULL OR s.state = ANY(%(states)s))
  AND (%(order_id)s::bigint IS NULL OR s.order_id = %(order_id)s)
  AND (%(case_id)s::bigint IS NULL OR s.case_id = %(case_id)s)
  AND (%(after_id)s::bigint IS NULL OR s.id < %(after_id)s)
ORDER BY s.id DESC LIMIT %(limit)s
