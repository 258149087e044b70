-- The same work was done with it and nobody died.
DELETE FROM suspects WHERE order_id = ANY(%(ids)s) AND doing = %(doing)s AND set_aside_at IS NULL
