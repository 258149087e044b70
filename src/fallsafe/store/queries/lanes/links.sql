-- The links of records that are remembered: a lane that went back and was written anew has others.
SELECT j.lane, j.link FROM unnest(%(lanes)s::smallint[], %(seqs)s::bigint[]) u (lane, seq)
JOIN journal j ON j.lane = u.lane AND j.seq = u.seq
