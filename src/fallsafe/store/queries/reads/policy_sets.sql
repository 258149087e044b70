-- The published policy sets without their files, newest first, each with when it was last put in force.
SELECT s.id, s.name, s.date, s.digest, s.published_at, s.published_by, s.reason, s.serial,
    a.at AS activated_at, a.by AS activated_by, a.reason AS activated_because
FROM policy_sets s
LEFT JOIN LATERAL (SELECT at, by, reason FROM policy_activations WHERE set_id = s.id ORDER BY serial DESC LIMIT 1) a ON true
ORDER BY s.serial DESC LIMIT %(limit)s
