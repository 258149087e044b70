-- How many line breaks are inside of values: so many more lines than rows are as they should be.
SELECT coalesce(sum({breaks}), 0)::BIGINT
FROM {relation}
