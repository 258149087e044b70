-- Which processes have given a sign of life, newest first.
SELECT name, kind, pid, started_at, seen_at, facts FROM workers ORDER BY seen_at DESC LIMIT 200
