-- Every switch, read without a lock.
SELECT * FROM automations ORDER BY action
