-- One pass over each object takes all its values out as texts; a null, and a name that is not there, are no value.
CREATE TABLE {relation} AS
SELECT {values}
FROM (
    SELECT json_extract_string(line, [{paths}]) AS found
    FROM {lines}
    WHERE json_valid(line) AND json_type(line) = 'OBJECT'
)
