-- Open cases by system and the catalog version that was sold from, up to a limit: where a release brought failures.
SELECT k.system, coalesce(o.catalog_version, '') AS catalog, count(*) AS cases
FROM (SELECT system, order_id FROM cases WHERE state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating') LIMIT %(limit)s) k
LEFT JOIN orders o ON o.id = k.order_id GROUP BY 1, 2
