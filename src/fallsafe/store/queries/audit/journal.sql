-- Every record, lane by lane.
SELECT lane, seq, order_id, version, payload, digest, link FROM journal ORDER BY lane, seq
