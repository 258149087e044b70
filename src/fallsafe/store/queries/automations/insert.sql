-- An action that nobody has let run by itself yet begins as off; a row that is there stays as it is.
INSERT INTO automations (id, action, state, why, switched_by, switched_at, moves)
VALUES (%(id)s, %(action)s, 'off', '', '', %(now)s, 0)
ON CONFLICT (action) DO NOTHING
