-- Requests to change the deal, newest first: of one state or any, older than the last one that was shown.
SELECT * FROM amendments
WHERE (%(state)s = '' OR state = %(state)s) AND (%(order_id)s = 0 OR order_id = %(order_id)s) AND id < %(before)s
ORDER BY id DESC
LIMIT %(limit)s
