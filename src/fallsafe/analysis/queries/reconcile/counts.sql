-- How many rows a side has, how many of them have a key, and when the newest was changed.
SELECT
    count(*) AS all_rows,
    sum(CASE WHEN {has_key} THEN 1 ELSE 0 END) AS with_key,
    {newest} AS newest
FROM {relation}
