-- Nothing is sent any more until a person ends it. The count is above that of every rewind that anybody remembers.
UPDATE installation SET sending = false, stopped_because = %(why)s, stopped_at = %(now)s, rewinds = %(rewinds)s
