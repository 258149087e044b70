-- What those who sell in a simulated world may still want changed: orders that are under way here, and go on; beside each
-- whether somebody has a preview of a repair of it.
SELECT o.id, o.source, o.external_id,
       EXISTS (SELECT 1 FROM repairs r WHERE r.order_id = o.id AND r.state IN ('previewed', 'awaited', 'approved')) AS previewed
FROM orders o
WHERE o.state IN ('acknowledged', 'in_progress', 'held') AND o.frozen IS NULL AND o.reported IS NULL
ORDER BY o.id
