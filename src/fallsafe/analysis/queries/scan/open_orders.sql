-- Orders that are neither finished nor stopped, each with its tasks: whether they have a reason to be where they are is
-- the core's to say.
SELECT
    o.order_id, o.last_at, make_timestamp_ms(o.last_dated >> 17) AS rests_since, o.mask, (o.last_dated & 4095) AS meaning,
    o.until, o.due,
    list({'kind': t.kind, 'task': t.task_id, 'item': t.item_id, 'code': ((t.last >> 12) & 31), 'meaning': t.last & 4095,
        'at': make_timestamp_ms(t.last >> 17), 'worked_at': t.worked_at, 'done_at': t.done_last_at,
        'case_at': t.case_at, 'case_closed_at': t.case_closed_at, 'until': t.until} ORDER BY t.last) AS tasks
FROM ord AS o
JOIN task AS t USING (order_id)
WHERE o.finished_at IS NULL AND o.stopped_at IS NULL
GROUP BY ALL
ORDER BY o.order_id
