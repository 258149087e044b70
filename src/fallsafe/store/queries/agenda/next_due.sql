-- When something is next due in these shards, to sleep no longer than that.
SELECT min(a.due_at) FROM unnest(%(shards)s::smallint[]) s (shard),
     LATERAL (SELECT due_at FROM agenda WHERE shard = s.shard ORDER BY due_at LIMIT 1) a
