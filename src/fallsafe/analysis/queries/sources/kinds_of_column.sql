-- One column's share of kinds.sql: values there are, and how many of them read as each kind.
[
    count({column}),
    count(*) FILTER (regexp_full_match({column}, '[+-]?[0-9]{1,18}')),
    count(*) FILTER (regexp_full_match({column}, '[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?')),
    count(*) FILTER (regexp_full_match({column}, '[0-9]{4}-[0-9]{2}-[0-9]{2}') AND TRY_CAST({column} AS DATE) IS NOT NULL),
    count(*) FILTER (regexp_matches({column}, '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}') AND TRY_CAST({column} AS TIMESTAMPTZ) IS NOT NULL),
    count(*) FILTER (lower({column}) IN ('true', 'false')),
    count(*) FILTER (regexp_matches({column}, '^\s*[\[{]') AND json_valid({column}))
]
