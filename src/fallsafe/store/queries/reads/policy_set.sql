-- One published policy set with its files.
SELECT * FROM policy_sets WHERE id = %(id)s
