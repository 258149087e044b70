-- Every order, for whoever judges all of them.
SELECT id FROM orders ORDER BY id
