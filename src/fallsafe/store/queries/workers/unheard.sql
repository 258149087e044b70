-- Processes that may know more of this database than one that has just come to it.
SELECT name FROM workers WHERE name <> %(worker)s AND seen_at <= %(since)s
