-- Orders that are not final and have no open case.
SELECT o.id, o.external_id, o.state FROM orders o
WHERE o.state NOT IN ('rejected', 'cancelled', 'completed', 'failed', 'partial')
  AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.order_id = o.id
                  AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating'))
ORDER BY o.id
