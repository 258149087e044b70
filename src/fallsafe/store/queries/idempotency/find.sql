-- The answer that was given under this key, while it is remembered.
SELECT body_digest, status, answer FROM idempotency_keys
WHERE principal = %(principal)s AND route = %(route)s AND key = %(key)s AND at > %(since)s
