-- The answer under its key, in the transaction of the change; one that was forgotten gives way.
INSERT INTO idempotency_keys (principal, route, key, body_digest, status, answer, at)
VALUES (%(principal)s, %(route)s, %(key)s, %(body_digest)s, %(status)s, %(answer)s, %(now)s)
ON CONFLICT (principal, route, key) DO UPDATE
SET body_digest = excluded.body_digest, status = excluded.status, answer = excluded.answer, at = excluded.at
