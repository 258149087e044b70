-- The tables of a SQLite file, to see whether it is an OCEL log.
SELECT name FROM sqlite_master WHERE type = 'table'
