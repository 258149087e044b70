-- The leaves of an anchor: the digests of what each lane got since the anchor before, in the order of lane and seq.
SELECT j.digest FROM unnest(%(lanes)s::smallint[], %(lows)s::bigint[], %(highs)s::bigint[]) u (lane, low, high),
     LATERAL (SELECT seq, digest FROM journal WHERE lane = u.lane AND seq > u.low AND seq <= u.high) j
ORDER BY u.lane, j.seq
