-- Every activation, to compare with its record.
SELECT serial, set_id, at, by, reason FROM policy_activations ORDER BY serial
