-- Which set is in force, with the numbers of the newest activation and publication, by which a process sees that it has read all.
SELECT serial, set_id, (SELECT max(serial) FROM policy_sets) AS published FROM policy_activations ORDER BY serial DESC LIMIT 1
