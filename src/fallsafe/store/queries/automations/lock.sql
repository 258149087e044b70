-- One action's switch, under its own lock.
SELECT * FROM automations WHERE action = %(action)s FOR UPDATE
