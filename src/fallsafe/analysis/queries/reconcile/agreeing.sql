-- How many pairs agreed at first sight.
SELECT coalesce(sum(pairs), 0)::BIGINT FROM {suspects} WHERE key IS NULL
