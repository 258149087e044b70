-- Two senders of the same bytes at once: the second waits, then finds the case of the first.
SELECT pg_advisory_xact_lock(hashtextextended(%(case_key)s, 8420150003))
