-- One column's share of kinds.sql: values there are, and how many of them read as each kind. 007 is no number.
[
    count({column}),
    count(*) FILTER (regexp_full_match({column}, '[+-]?(0|[1-9][0-9]{0,17})')),
    count(*) FILTER (regexp_full_match({column}, '[+-]?((0|[1-9][0-9]{0,28})(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?')),
    count(*) FILTER (regexp_full_match({column}, '[0-9]{4}-[0-9]{2}-[0-9]{2}') AND TRY_CAST({column} AS DATE) IS NOT NULL),
    count(*) FILTER (regexp_matches({column}, '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}') AND TRY_CAST({column} AS TIMESTAMPTZ) IS NOT NULL),
    count(*) FILTER (lower({column}) IN ('true', 'false')),
    count(*) FILTER (regexp_matches({column}, '^\s*[\[{]') AND json_valid({column}))
]
