-- The names in all objects, in the order in which they first appear: a name that only the last row has is a column too.
SELECT name
FROM (
    SELECT unnest(json_keys(line)) AS name, rowid AS place, generate_subscripts(json_keys(line), 1) AS number
    FROM {relation}
    WHERE json_valid(line) AND json_type(line) = 'OBJECT'
)
GROUP BY name
ORDER BY min((place, number))
