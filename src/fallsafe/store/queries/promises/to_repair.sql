-- What those who repair in a simulated world may see: open cases with the newest command of their task, and what it is about.
SELECT k.id, k.order_id, k.code, o.source, o.external_id, coalesce(i.external_id, '') AS item,
       coalesce(c.key, '') AS key, coalesce(c.operation, '') AS operation,
       coalesce(c.state, '') AS state, coalesce(NOT t.mandatory AND t.state IN ('planned', 'ready', 'parked', 'failed'), false) AS optional,
       coalesce(t.state, '') AS task_state,
       coalesce((SELECT min(w.id) FROM cases w WHERE w.order_id = k.order_id AND w.task_id = k.task_id AND w.id <> k.id
                 AND w.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')), 0) AS twin
FROM cases k
JOIN orders o ON o.id = k.order_id
LEFT JOIN tasks t ON t.id = k.task_id
LEFT JOIN items i ON i.id = t.item_id
LEFT JOIN LATERAL (SELECT * FROM commands x WHERE x.task_id = t.id AND x.purpose <> 'query' ORDER BY x.n DESC, x.id DESC LIMIT 1) c ON true
WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
ORDER BY k.id
