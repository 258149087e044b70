-- What was put in force, the newest first: when, by whom, and why.
SELECT serial, set_id, at, by, reason FROM policy_activations ORDER BY serial DESC LIMIT %(limit)s
