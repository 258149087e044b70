-- Whether something was published since a process last read.
SELECT id, serial FROM policy_sets ORDER BY serial DESC LIMIT 1
