-- One row per finding, in an order that depends on nothing but the findings: a value that differs, or a key.
CREATE TABLE {findings} AS
SELECT {columns}
FROM (
    SELECT kind, {texts}, 0 AS place, NULL AS col, NULL AS a, NULL AS b, rows_a, rows_b, NULL AS authority
    FROM {kept}
    WHERE NOT unsettled AND kind <> 'mismatch'
    {mismatches}
)
ORDER BY array_position(['mismatch', 'missing', 'orphan', 'duplicate'], kind), {order}, place
