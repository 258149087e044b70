-- When each shard's first entry is due, so that a simulated worker may rest until then.
SELECT shard, min(due_at) AS due_at FROM agenda GROUP BY shard ORDER BY shard
