-- Every sending of the commands of one order.
SELECT command_id, n, at, worker, lease_until, contract_set FROM attempts WHERE order_id = %(id)s ORDER BY at, command_id, n
