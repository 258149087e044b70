-- The open cases of what those who sell in a simulated world want changed of an order.
SELECT id, order_id, code FROM cases
WHERE order_id = %(id)s AND code = 'UPSTREAM_CHANGE'
  AND state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
ORDER BY id
