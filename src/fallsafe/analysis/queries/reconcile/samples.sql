-- The first findings of a kind, or of a column.
SELECT *
FROM {findings}
WHERE kind = {kind} AND "column" IS NOT DISTINCT FROM {column}
ORDER BY rowid
LIMIT {rows_max}
