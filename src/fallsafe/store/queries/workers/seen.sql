-- A process lives. What it has in hand is its own to say.
INSERT INTO workers (name, kind, pid, started_at, seen_at) VALUES (%(worker)s, %(kind)s, %(pid)s, %(started)s, %(now)s)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, pid = excluded.pid, started_at = excluded.started_at, seen_at = excluded.seen_at
RETURNING name
