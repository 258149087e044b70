-- What was kept aside, by reason: how many rows, and the first few of them. A row can be wrong in several ways.
SELECT
    error_type::VARCHAR AS why,
    count(*) AS rows,
    list('line ' || line || ': ' || regexp_replace(left(coalesce(csv_line, ''), 80), '[\r\n]+', ' ', 'g') ORDER BY line)[1:3] AS examples
FROM (
    SELECT line_byte_position, min(line) AS line, min(error_type) AS error_type, min(csv_line) AS csv_line
    FROM {rejects}
    GROUP BY line_byte_position
)
GROUP BY error_type
ORDER BY rows DESC, why
