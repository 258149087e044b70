-- What moved in these parts of lanes: only ids and versions, for pages that look again by themselves.
SELECT j.* FROM unnest(%(lanes)s::smallint[], %(seqs)s::bigint[]) c (lane, seq),
     LATERAL (SELECT lane, seq, order_id, version, thing, thing_id FROM journal
              WHERE lane = c.lane AND seq > c.seq ORDER BY seq LIMIT %(limit)s) j
