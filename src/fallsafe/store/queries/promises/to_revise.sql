-- What those who sell in a simulated world may still want changed: orders that are under way here, and go on.
SELECT id, source, external_id FROM orders
WHERE state IN ('acknowledged', 'in_progress', 'held') AND frozen IS NULL AND reported IS NULL
ORDER BY id
