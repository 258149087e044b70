-- Coverage (P1) counts what another engine is to be told as well; its step has an entry of its own, which says nothing of that.
CREATE INDEX commands_words ON commands (order_id) WHERE purpose = 'resume' AND state IN ('intended', 'sending', 'unknown');

CREATE OR REPLACE VIEW coverage_gaps AS
    SELECT t.order_id, 'task' AS thing, t.id AS thing_id, 'a live task has neither an agenda entry, an open case nor a predecessor to wait for' AS gap
    FROM tasks t
    WHERE t.state NOT IN ('completed', 'skipped', 'cancelled', 'undone')
      AND NOT EXISTS (SELECT 1 FROM agenda a WHERE a.id = t.id)
      AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.task_id = t.id
                      AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating'))
      AND NOT (t.state = 'planned' AND EXISTS (
          SELECT 1 FROM tasks p WHERE p.id = ANY (t.depends_on) AND p.state NOT IN ('completed', 'skipped', 'cancelled', 'undone')))
    UNION ALL
    SELECT k.order_id, 'case', k.id, 'an open case has no agenda entry'
    FROM cases k
    WHERE k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
      AND NOT EXISTS (SELECT 1 FROM agenda a WHERE a.id = k.id)
    UNION ALL
    SELECT o.id, 'order', o.id, 'an order that is not final has no agenda entry of its own'
    FROM orders o
    WHERE o.state NOT IN ('rejected', 'cancelled', 'completed', 'failed', 'partial')
      AND NOT EXISTS (SELECT 1 FROM agenda a WHERE a.kind = 'review' AND a.id = o.id)
    UNION ALL
    SELECT i.order_id, 'item', i.id, 'a held item has no agenda entry and no open case'
    FROM items i
    WHERE i.state = 'held' AND i.hold_code <> ''
      AND NOT EXISTS (SELECT 1 FROM agenda a WHERE a.id = i.id)
      AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.item_id = i.id
                      AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating'))
    UNION ALL
    SELECT c.order_id, 'command', c.id, 'a word to another engine has neither an agenda entry nor an open case'
    FROM commands c
    WHERE c.purpose = 'resume' AND c.state IN ('intended', 'sending', 'unknown')
      AND NOT EXISTS (SELECT 1 FROM agenda a WHERE a.id = c.task_id AND a.kind IN ('send', 'release', 'lease', 'lookup'))
      AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.command_id = c.id
                      AND k.state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating'));
