-- Every record, lane by lane.
SELECT lane, seq, order_id, version, at, thing, thing_id, verb, payload, digest, link FROM journal ORDER BY lane, seq
