-- What the values of each column of text look like, by the first rows: all that have a value must look the same.
SELECT {counts}
FROM (SELECT * FROM {relation} LIMIT {rows_max})
