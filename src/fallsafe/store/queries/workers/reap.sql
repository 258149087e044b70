-- What dead workers had in hand becomes suspect: the predecessor of the same name, and whoever was not seen for long. A death counts when the order was alone, and again when it came of the same work.
WITH dead AS (
    SELECT name, in_hand, coalesce(facts ->> 'doing', '') AS doing FROM workers
    WHERE in_hand <> '{}' AND (name = %(worker)s OR seen_at < %(silent_since)s) FOR UPDATE SKIP LOCKED),
freed AS (UPDATE workers w SET in_hand = '{}' FROM dead WHERE w.name = dead.name)
INSERT INTO suspects (order_id, deaths, doing)
SELECT held, max((cardinality(dead.in_hand) = 1)::int), max(dead.doing) FROM dead, unnest(dead.in_hand) held GROUP BY held ORDER BY held
ON CONFLICT (order_id) DO UPDATE SET
    deaths = excluded.deaths + CASE WHEN suspects.doing = excluded.doing THEN suspects.deaths ELSE 0 END, doing = excluded.doing
RETURNING order_id, deaths
