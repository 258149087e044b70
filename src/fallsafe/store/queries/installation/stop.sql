-- Nothing is sent any more until a person ends it.
UPDATE installation SET sending = false, stopped_because = %(why)s, stopped_at = %(now)s, rewinds = rewinds + 1
