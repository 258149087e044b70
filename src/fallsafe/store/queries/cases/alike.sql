-- How often a failure of the same fingerprint was seen since a time, over all orders; beyond a limit nobody counts on.
SELECT f.fingerprint, (SELECT count(*) FROM (SELECT 1 FROM cases k WHERE k.fingerprint = f.fingerprint
                       AND k.detected_at >= %(since)s LIMIT %(limit)s) found) AS seen
FROM unnest(%(fingerprints)s::text[]) f (fingerprint)
