-- One process at a time sets anchors and looks after a rewind; the others do not wait for it.
SELECT pg_try_advisory_xact_lock(8420150004) AS mine
