-- What happened after the time as of which was asked.
SELECT count(*) FROM event WHERE ts > $as_of AND ts <= $limit
