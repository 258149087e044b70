-- Running orders of a policy set, the oldest first, and how many there are in all.
SELECT id, count(*) OVER () AS whole FROM orders
WHERE policy_set = %(policy_set)s AND state NOT IN ('rejected', 'cancelled', 'completed', 'failed', 'partial')
ORDER BY id LIMIT %(limit)s
