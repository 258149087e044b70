-- Sending goes on; when it was stopped is kept, since what stood open then is looked up before its next send.
UPDATE installation SET sending = true, stopped_because = ''
