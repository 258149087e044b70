-- Whether anything had happened by then.
SELECT 1 FROM occurred LIMIT 1
