-- What somebody in a simulated world may think to be wrong: steps that have not begun, or failed, of orders under way here;
-- beside each whether nothing at all of its item was begun, and no other item waits for it.
SELECT t.id, t.order_id, i.external_id AS item, t.step, t.state, NOT t.mandatory AS optional,
       NOT EXISTS (SELECT 1 FROM tasks b WHERE b.item_id = i.id AND b.state NOT IN ('planned', 'ready', 'parked', 'failed'))
       AND NOT EXISTS (SELECT 1 FROM tasks w JOIN tasks b ON b.id = ANY(w.depends_on)
                       WHERE w.order_id = t.order_id AND w.item_id <> i.id AND b.item_id = i.id) AS fresh
FROM tasks t
JOIN items i ON i.id = t.item_id
JOIN orders o ON o.id = t.order_id
WHERE t.state IN ('planned', 'ready', 'parked', 'failed') AND o.state IN ('acknowledged', 'in_progress', 'held') AND o.reported IS NULL
ORDER BY t.id
