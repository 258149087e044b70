-- Two orders of one customer that are taken in at once: the second waits, then finds the first. Sorted, so that nobody
-- waits in a circle.
SELECT pg_advisory_xact_lock(hashtextextended(customer, 8420150011))
FROM (SELECT DISTINCT unnest(%(customers)s::text[]) AS customer ORDER BY 1) AS sorted
