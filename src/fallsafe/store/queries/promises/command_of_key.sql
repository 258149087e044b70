-- The command that a request which leaves belongs to.
SELECT order_id, operation, state, attempts, lost_because, last_sent_at FROM commands WHERE key = %(key)s
