-- Each event of work in orders that were finished or stopped, with whether it came after that.
SELECT s.meaning AS sort, s.ts > coalesce(o.stopped_at, o.finish_at) AS broken
FROM sample AS s
JOIN ord AS o USING (order_id)
WHERE s.kind > 0 AND coalesce(o.stopped_at, o.finish_at) IS NOT NULL
