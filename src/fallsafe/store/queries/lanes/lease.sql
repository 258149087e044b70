-- A lane for a writing connection: one whose session is gone (it held a lock as long as it lived), else one whose lease ran out; the fence tells an old owner that it lost it.
UPDATE lanes SET owner = %(owner)s, fence = fence + 1, leased_until = %(until)s
WHERE lane = (
    SELECT l.lane FROM lanes l
    LEFT JOIN pg_locks held ON held.locktype = 'advisory' AND held.classid = %(lock)s AND held.objid = l.lane
        AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    WHERE held.pid IS NULL OR l.leased_until < %(now)s
    ORDER BY held.pid IS NOT NULL, l.lane LIMIT 1 FOR UPDATE OF l SKIP LOCKED)
RETURNING lane, fence, seq, link, id_last, pg_try_advisory_lock(%(lock)s, lane)
