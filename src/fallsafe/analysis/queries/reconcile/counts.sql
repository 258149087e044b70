-- How many rows a side has, how many of them have a key, and when the newest was changed.
SELECT count(*) AS all_rows, {keyed} AS with_key, {newest} AS newest
FROM {relation}
