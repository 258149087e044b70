-- The same work done twice in an order, where it is usually done once.
SELECT twice.order_id, twice.item_id, twice.kind, twice.times, twice.since, list(task_id ORDER BY done_at, task_id) AS tasks
FROM (SELECT * FROM ({cases}) WHERE broken AND {unusual}) AS twice
JOIN task ON task.order_id = twice.order_id AND task.item_id = twice.item_id AND task.kind = twice.kind
WHERE times_done > 0
GROUP BY ALL
ORDER BY twice.order_id, twice.item_id, twice.kind
