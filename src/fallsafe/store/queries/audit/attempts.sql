-- Every attempt, with its columns in the order in which it was written.
SELECT order_id, command_id, n, at, worker, lease_until, contract_set FROM attempts ORDER BY order_id, command_id, n
