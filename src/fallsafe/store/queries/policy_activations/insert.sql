-- A set is in force from now on; the activations before it stay.
INSERT INTO policy_activations (serial, set_id, at, by, reason)
SELECT coalesce(max(serial), 0) + 1, %(id)s, %(now)s, %(by)s, %(reason)s FROM policy_activations RETURNING serial
