-- The names of orders that are there, so that a source can hand in again what was lost.
SELECT external_id FROM orders ORDER BY external_id
