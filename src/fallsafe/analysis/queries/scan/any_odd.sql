-- Whether any event has a time beside its own that cannot be read.
SELECT 1 FROM event WHERE odd LIMIT 1
