-- One published policy set with its files, and when it was last put in force.
SELECT s.*, a.at AS activated_at, a.by AS activated_by, a.reason AS activated_because
FROM policy_sets s
LEFT JOIN LATERAL (SELECT at, by, reason FROM policy_activations WHERE set_id = s.id ORDER BY serial DESC LIMIT 1) a ON true
WHERE s.id = %(id)s
