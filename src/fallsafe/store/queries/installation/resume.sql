-- Sending goes on; every open command is looked up before its next send.
UPDATE installation SET sending = true, stopped_because = '', stopped_at = NULL
