-- The calls that are under way now, by system, and since when the longest is.
SELECT c.system, count(*) AS calls, min(c.last_sent_at) AS oldest
FROM (SELECT DISTINCT a.id, a.order_id FROM agenda a WHERE a.kind = 'lease' AND a.order_id IS NOT NULL) a
JOIN commands c ON c.order_id = a.order_id AND (c.id = a.id OR c.task_id = a.id) AND c.state = 'sending'
GROUP BY c.system
