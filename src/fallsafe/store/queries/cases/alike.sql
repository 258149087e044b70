-- How often a failure of the same fingerprint was seen since a time, over all orders.
SELECT fingerprint, count(*) AS seen FROM cases WHERE fingerprint = ANY(%(fingerprints)s) AND detected_at >= %(since)s GROUP BY fingerprint
