-- The next records of each lane after what a reader of the feed has; one snapshot, so that what a record follows is seen with it.
SELECT j.* FROM unnest(%(lanes)s::smallint[], %(seqs)s::bigint[]) c (lane, seq),
     LATERAL (SELECT lane, seq, order_id, version, at, thing, thing_id, verb, payload, digest FROM journal
              WHERE lane = c.lane AND seq > c.seq ORDER BY seq LIMIT %(limit)s) j
