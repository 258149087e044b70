-- The comparison itself, the same in DuckDB and, translated, in every database: what is repeated is not compared, what
-- one side lacks or says differently is a row with both sides' values.
WITH a AS (
    SELECT {a_values}
    FROM {a}
    WHERE {a_has_key}
),
b AS (
    SELECT {b_values}
    FROM {b}
    WHERE {b_has_key}
),
repeated AS (
    SELECT {keys}, {first_texts}, max(changed) AS changed, sum(in_a) AS rows_a, sum(in_b) AS rows_b
    FROM (
        SELECT {keys}, {texts}, changed, 1 AS in_a, 0 AS in_b FROM a
        UNION ALL
        SELECT {keys}, {texts}, changed, 0 AS in_a, 1 AS in_b FROM b
    ) AS both_sides
    GROUP BY {keys}
    HAVING sum(in_a) > 1 OR sum(in_b) > 1
),
once_a AS (SELECT a.* FROM a LEFT JOIN repeated AS r ON {a_is_repeated} WHERE r.rows_a IS NULL),
once_b AS (SELECT b.* FROM b LEFT JOIN repeated AS r ON {b_is_repeated} WHERE r.rows_a IS NULL)
SELECT
    CASE WHEN b.k1 IS NULL THEN 'missing' WHEN a.k1 IS NULL THEN 'orphan' ELSE 'mismatch' END AS kind,
    {text_of_either},
    CASE WHEN a.k1 IS NULL THEN 0 ELSE 1 END AS rows_a,
    CASE WHEN b.k1 IS NULL THEN 0 ELSE 1 END AS rows_b,
    {young} AS unsettled{both_values}
FROM once_a AS a
FULL OUTER JOIN once_b AS b ON {same_key}
WHERE a.k1 IS NULL OR b.k1 IS NULL{or_differs}
UNION ALL
SELECT 'duplicate' AS kind, {texts}, rows_a, rows_b, {young_repeated} AS unsettled{no_values}
FROM repeated
