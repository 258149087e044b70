-- Nobody waits for a request with the same key that still runs: they are told so.
SELECT pg_try_advisory_xact_lock(hashtextextended(%(lock)s, 8420150002)) AS free
