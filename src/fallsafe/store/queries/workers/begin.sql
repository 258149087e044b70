-- A worker begins, with nothing in hand; what its predecessor of the same name left there was taken up before.
INSERT INTO workers (name, kind, pid, started_at, seen_at) VALUES (%(worker)s, 'worker', %(pid)s, %(now)s, %(now)s)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, pid = excluded.pid, started_at = excluded.started_at, seen_at = excluded.seen_at, in_hand = '{}', facts = '{}'
RETURNING name
