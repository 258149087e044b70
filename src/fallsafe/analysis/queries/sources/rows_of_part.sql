-- One kind of record out of the stream that an event log was read as.
CREATE TABLE {relation} AS
SELECT {values}
FROM (
    SELECT json_extract_string(line, [{paths}]) AS found
    FROM {lines}
    WHERE json_extract_string(line, '/part') = {part}
)
