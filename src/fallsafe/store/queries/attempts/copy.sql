-- Attempts as they are claimed, before anything is sent; insert-only.
COPY attempts (order_id, command_id, n, at, worker, lease_until, contract_set) FROM STDIN (FORMAT binary)
