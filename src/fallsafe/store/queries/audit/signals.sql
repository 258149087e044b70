-- Signals from outside, to be compared with their records.
SELECT * FROM signals ORDER BY id
