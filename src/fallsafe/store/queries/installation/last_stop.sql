-- What was known of the newest rewind when it was found.
SELECT payload FROM journal WHERE order_id = 0 AND thing = 'installation' AND thing_id = 1 AND verb = 'stop' ORDER BY at DESC LIMIT 1
