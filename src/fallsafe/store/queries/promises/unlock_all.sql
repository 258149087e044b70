-- The locks of a session that is taken for closed, as its end would free them.
SELECT pg_advisory_unlock_all()
