-- Orders with a command that stood open in the time that the database lost and was not looked at since.
SELECT DISTINCT order_id FROM commands
WHERE state IN ('sending', 'accepted', 'unknown') AND purpose <> 'query' AND last_sent_at < %(until)s
ORDER BY order_id LIMIT %(limit)s
