-- Which order a task belongs to.
SELECT order_id FROM tasks WHERE id = %(id)s
