-- The rows of one type of an OCEL log; its attributes are columns that only the log knows.
SELECT * FROM {table}
