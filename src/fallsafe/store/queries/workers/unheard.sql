-- Processes that may know more of this database than one that has just come to it, while the server has just begun: nothing is
-- put back under a server that runs.
SELECT name FROM workers
WHERE name <> %(worker)s AND seen_at <= %(since)s AND pg_postmaster_start_time() > %(since)s - %(young)s
