-- Sessions of the product in this database whose transaction began too long ago.
SELECT pid, application_name, pg_terminate_backend(pid) AS ended FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'fallsafe %%' AND xact_start < %(before)s AND pid <> pg_backend_pid()
