-- The database's clock is "now", read after the order locks are held; the simulator replaces this statement.
SELECT clock_timestamp()
