-- Which order a command belongs to.
SELECT order_id FROM commands WHERE id = %(id)s
