-- One order by its id, read without a lock.
SELECT * FROM orders WHERE id = %(id)s
