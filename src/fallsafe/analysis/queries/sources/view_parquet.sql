-- Columns of several files are matched by name, so that a file written before a column was added still counts.
CREATE VIEW {relation} AS
FROM read_parquet({path}, union_by_name = true)
