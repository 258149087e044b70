-- Every record of every order, oldest first.
SELECT order_id, payload FROM journal ORDER BY order_id, version, at, lane, seq
