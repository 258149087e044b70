-- The command that a request which leaves belongs to.
SELECT order_id, operation, state, attempts, lost_because FROM commands WHERE key = %(key)s
