-- The words to a system that have waited longest for their result, to be asked about.
SELECT c.task_id, c.order_id FROM commands c
WHERE c.state = 'accepted' AND c.purpose = 'fulfill' AND c.system = %(system)s
ORDER BY c.accepted_at, c.id LIMIT %(limit)s
