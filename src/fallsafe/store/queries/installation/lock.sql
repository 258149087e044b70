-- The one row of the installation, for stopping and for ending a stop.
SELECT sending, stopped_because, stopped_at, rewinds FROM installation FOR UPDATE
