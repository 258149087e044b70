-- A switch is moved. A write names the state that it saw.
UPDATE automations
SET state = %(state)s, why = %(why)s, switched_by = %(by)s, switched_at = %(now)s, moves = moves + 1
WHERE action = %(action)s AND state = %(was)s
