-- The values of one column that differ.
UNION ALL
SELECT kind, {texts}, {place}, {column}, v{place}_a, v{place}_b, rows_a, rows_b, {authority}
FROM {kept}
WHERE NOT unsettled AND kind = 'mismatch' AND d{place}
