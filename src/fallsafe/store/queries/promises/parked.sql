-- How many tasks are parked at each system, but for those of orders that are set aside.
SELECT t.system, count(*) AS parked FROM tasks t
WHERE t.state = 'parked' AND NOT EXISTS (SELECT 1 FROM suspects s WHERE s.order_id = t.order_id AND s.set_aside_at IS NOT NULL)
GROUP BY t.system
