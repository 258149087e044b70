-- The files say themselves how many rows they have; nothing is read for it.
SELECT count(*)::BIGINT AS files, sum(num_rows)::BIGINT AS rows
FROM parquet_file_metadata({path})
