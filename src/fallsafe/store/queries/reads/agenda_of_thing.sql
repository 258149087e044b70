-- The entries of one thing without an order.
SELECT kind, id, order_id, due_at, gate FROM agenda WHERE id = %(id)s ORDER BY due_at, kind
