-- What somebody may mean by a word: an order by what its source, its customer or a trace calls it, a command by its key, open cases by the raw code of what failed.
(SELECT 'order' AS thing, o.id, o.source || ' ' || o.external_id AS name, o.customer_ref AS note, 1 AS place FROM orders o
 WHERE (o.source = ANY(ARRAY(
        WITH RECURSIVE each AS (
            (SELECT source FROM orders ORDER BY source LIMIT 1)
            UNION ALL
            SELECT (SELECT n.source FROM orders n WHERE n.source > each.source ORDER BY n.source LIMIT 1) FROM each WHERE each.source IS NOT NULL)
        SELECT source FROM each WHERE source IS NOT NULL LIMIT 100)) AND o.external_id = %(word)s) LIMIT %(limit)s)
UNION ALL
(SELECT 'order', o.id, o.source || ' ' || o.external_id, 'correlation ' || o.correlation_id, 2 FROM orders o
 WHERE o.correlation_id = %(word)s AND o.correlation_id <> '' LIMIT %(limit)s)
UNION ALL
(SELECT 'command', c.id, c.key, c.state, 3 FROM commands c WHERE c.key = %(word)s)
UNION ALL
(SELECT 'customer', 0, o.customer_ref, count(*) || CASE count(*) WHEN 1 THEN ' order' ELSE ' orders' END, 4
 FROM (SELECT customer_ref FROM orders WHERE customer_ref = %(word)s LIMIT 1000) o GROUP BY o.customer_ref)
UNION ALL
(SELECT 'raw', 0, k.raw_code, count(*) || CASE count(*) WHEN 1 THEN ' open case' ELSE ' open cases' END, 5
 FROM (SELECT raw_code FROM cases WHERE raw_code = %(word)s
         AND state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating') LIMIT 1000) k GROUP BY k.raw_code)
ORDER BY place, id DESC LIMIT %(limit)s
