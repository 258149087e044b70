-- Every published set with its files, to compare with its record.
SELECT id, digest, files, serial FROM policy_sets ORDER BY serial
