-- The command that a request which leaves belongs to.
SELECT order_id, state, attempts FROM commands WHERE key = %(key)s
