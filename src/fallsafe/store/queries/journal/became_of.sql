-- What became of a transaction whose COMMIT was not answered: is its record there? The lane head is locked before, which waits for the old session.
SELECT digest FROM journal WHERE lane = %(lane)s AND seq = %(seq)s AND order_id = %(order_id)s
