-- All rows of a small file, as texts: what its columns are is recognized on them.
SELECT {columns}
FROM {relation}
