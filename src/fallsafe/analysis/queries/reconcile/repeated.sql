-- Fingerprints of keys that a side has more than once.
CREATE TABLE {repeated} AS
SELECT key FROM (SELECT {a_key} AS key FROM {a} WHERE {a_has_key}) GROUP BY key HAVING count(*) > 1
UNION
SELECT key FROM (SELECT {b_key} AS key FROM {b} WHERE {b_has_key}) GROUP BY key HAVING count(*) > 1
