-- Repairs that wait to be agreed to or to be run, the one whose time is over first on top; with what each is about.
SELECT r.*, k.severity, k.code, k.owner_group, o.source || ' ' || o.external_id AS order_name
FROM repairs r JOIN cases k ON k.id = r.case_id LEFT JOIN orders o ON o.id = r.order_id
WHERE r.state IN ('previewed', 'awaited', 'approved') AND r.expires_at > %(now)s
ORDER BY r.expires_at, r.id LIMIT %(limit)s
