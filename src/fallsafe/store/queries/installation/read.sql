-- Whether this installation may send at all.
SELECT sending, stopped_because, stopped_at, rewinds FROM installation
