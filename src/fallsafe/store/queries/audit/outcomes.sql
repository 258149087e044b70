-- Every outcome, with its columns in the order in which it was written.
SELECT id, order_id, command_id, attempt, at, source, says, reference, raw_code, message, disposition, occurred_at, evidence FROM outcomes ORDER BY order_id, id
