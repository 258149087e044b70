-- One pass over both sides with nothing but fingerprints of keys and values, which need little memory: which keys have
-- to be looked at closely. The row without a key counts the pairs that agree.
CREATE TABLE {suspects} AS
SELECT key, count(*) AS pairs
FROM (
    SELECT CASE WHEN a.key IS NULL OR b.key IS NULL OR a.print <> b.print{or_far} THEN coalesce(a.key, b.key) END AS key
    FROM (SELECT {a_key} AS key, {a_print} AS print{a_near} FROM {a} WHERE {a_has_key}{a_once}) AS a
    FULL OUTER JOIN (SELECT {b_key} AS key, {b_print} AS print{b_near} FROM {b} WHERE {b_has_key}{b_once}) AS b
    ON a.key = b.key
)
GROUP BY key
