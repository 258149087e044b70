-- Whether an order moved while its parts were read.
SELECT version FROM orders WHERE id = %(id)s
