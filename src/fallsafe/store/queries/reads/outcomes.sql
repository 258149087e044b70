-- What the outside said about the commands of one order, and how it was read.
SELECT id, command_id, attempt, at, source, says, reference, raw_code, message, disposition, occurred_at, evidence
FROM outcomes WHERE order_id = %(id)s ORDER BY at, id
