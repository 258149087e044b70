-- Orders with a look that should have come long ago (P1), and no case of it yet. A send waits for its turn, and so does
-- everything that would ask another system while nothing is sent, or while that system has no room.
SELECT DISTINCT a.order_id FROM agenda a
WHERE a.due_at < %(late)s AND a.order_id IS NOT NULL AND a.kind <> 'send'
  AND (a.kind NOT IN ('lookup', 'check', 'compare') OR (SELECT sending FROM installation))
  AND (a.gate = 0 OR NOT EXISTS (
    SELECT 1 FROM gates g, jsonb_each(g.held) h
    WHERE g.gate = a.gate AND (h.value ->> 2)::boolean AND (h.value ->> 1)::timestamptz > %(late)s))
  AND NOT EXISTS (
    SELECT 1 FROM cases k WHERE k.order_id = a.order_id AND k.code = 'ORDER_STUCK'
    AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating'))
ORDER BY a.order_id LIMIT %(limit)s
