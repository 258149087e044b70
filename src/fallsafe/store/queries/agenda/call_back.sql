-- The looks at an order that was set aside were put off; they are due now. An entry may be early.
UPDATE agenda SET due_at = LEAST(due_at, %(now)s) WHERE order_id = %(order_id)s
