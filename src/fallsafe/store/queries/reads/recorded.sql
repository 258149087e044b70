-- The newest records of every lane, for whoever looks for what somebody did lately; only so many of a lane are looked at.
SELECT j.* FROM lanes l,
LATERAL (SELECT * FROM journal j WHERE j.lane = l.lane AND j.seq > l.seq - %(deep)s) j
WHERE (%(thing)s::text IS NULL OR j.thing = %(thing)s)
  AND (%(verb)s::text IS NULL OR j.verb = %(verb)s)
  AND (NOT %(refused)s::boolean OR j.verb LIKE 'refuse!_%%' ESCAPE '!')
  AND (NOT %(people)s::boolean OR j.payload::jsonb ->> 'actor' LIKE 'person:%%')
  AND (%(actor)s::text IS NULL OR j.payload::jsonb ->> 'actor' LIKE '%%:' || %(actor)s)
ORDER BY j.at DESC, j.lane, j.seq DESC LIMIT %(limit)s
