-- Orders with something live that nobody will ever look at (P1), and no case of it yet.
SELECT DISTINCT g.order_id FROM coverage_gaps g
WHERE g.order_id <> 0 AND NOT EXISTS (
    SELECT 1 FROM cases k WHERE k.order_id = g.order_id AND k.code = 'ORDER_STUCK'
    AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating'))
ORDER BY g.order_id LIMIT %(limit)s
