-- When things without an order are looked at next.
SELECT kind, id, due_at FROM agenda WHERE order_id IS NULL ORDER BY kind, id
