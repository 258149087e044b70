-- Two processes that migrate one database at once: the second waits for the first, then finds nothing to do.
SELECT pg_advisory_xact_lock(8420150001)
