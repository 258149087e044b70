-- What the outside said, with how it was read; insert-only.
COPY outcomes (id, order_id, command_id, attempt, at, source, says, reference, raw_code, message, disposition, occurred_at, evidence) FROM STDIN (FORMAT binary)
