-- How many rows of a file fit, and how many line breaks are inside of their values.
SELECT count(*), coalesce(sum({breaks}), 0)::BIGINT
FROM {delimited}
