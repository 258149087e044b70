-- Finished after its date. A date without a time of day counts until that day is over.
SELECT order_id, due, finished_at
FROM ord
WHERE finished_at > due AND finished_at >= due + INTERVAL {grace}
ORDER BY order_id
