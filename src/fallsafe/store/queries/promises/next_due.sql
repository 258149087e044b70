-- When each shard's first entry is due, so that a simulated worker may rest until then; looks that only look again may wait a little.
SELECT shard, min(CASE WHEN kind IN ('review', 'retry') THEN due_at + %(late)s ELSE due_at END) AS due_at
FROM agenda GROUP BY shard ORDER BY shard
