-- A person has looked at it, and lets the workers take it again.
DELETE FROM suspects WHERE order_id = %(order_id)s
