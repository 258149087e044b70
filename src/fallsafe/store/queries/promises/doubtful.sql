-- What a person in a simulated world looks at: commands with an open case of their task, and items that are held.
SELECT c.id, c.order_id, c.state, '' AS hold_code FROM commands c
WHERE c.purpose <> 'query' AND EXISTS (SELECT 1 FROM cases k WHERE k.task_id = c.task_id
    AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating'))
UNION ALL
SELECT i.id, i.order_id, i.state, i.hold_code FROM items i WHERE i.hold_code <> ''
ORDER BY 1
