-- What is live and has neither a reason to wait nor a time at which it is next looked at (P1); empty when all is well.
SELECT order_id, thing, thing_id, gap FROM coverage_gaps ORDER BY order_id, thing_id
