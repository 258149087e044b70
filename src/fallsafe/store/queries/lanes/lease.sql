-- A lane for a writing connection: the first whose lease ran out; the fence tells an old owner that it lost it.
UPDATE lanes SET owner = %(owner)s, fence = fence + 1, leased_until = %(until)s
WHERE lane = (SELECT lane FROM lanes WHERE leased_until < %(now)s ORDER BY lane LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING lane, fence, seq, link, id_last
