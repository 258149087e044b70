-- Coverage (P1): what is live, what of it has no next look, and what is overdue; counted in one snapshot from tasks, cases, orders and agenda.
SELECT
    (SELECT count(*) FROM tasks WHERE state NOT IN ('completed', 'skipped', 'cancelled', 'undone')) AS tasks,
    (SELECT count(*) FROM cases
     WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')) AS cases,
    (SELECT count(*) FROM orders WHERE state NOT IN ('rejected', 'cancelled', 'completed', 'failed', 'partial')) AS orders,
    (SELECT count(*) FROM items WHERE state = 'held' AND hold_code <> '') AS items,
    (SELECT count(*) FROM coverage_gaps) AS gaps,
    (SELECT coalesce(json_agg(g), '[]'::json) FROM (SELECT * FROM coverage_gaps LIMIT 50) g) AS first_gaps,
    (SELECT count(*) FROM agenda WHERE kind <> 'send' AND due_at < %(late)s) AS late,
    (SELECT count(*) FROM agenda WHERE kind = 'send' AND due_at < %(late)s) AS waiting_to_send
