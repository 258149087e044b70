-- The records of one transaction, written once, directly before COMMIT.
COPY journal (lane, seq, order_id, version, at, thing, thing_id, verb, payload, digest, link) FROM STDIN (FORMAT binary)
