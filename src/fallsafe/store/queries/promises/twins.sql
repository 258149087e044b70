-- Orders by their names: whether anything of them was sent while they lived, and whether they were ever stopped.
SELECT o.id, o.external_id,
    EXISTS (SELECT 1 FROM commands c WHERE c.order_id = o.id AND c.attempts > 0) AS sent,
    EXISTS (SELECT 1 FROM cases k WHERE k.order_id = o.id AND k.code = 'SUSPECTED_DUPLICATE_ORDER') AS stopped
FROM orders o WHERE o.external_id = ANY(%(names)s)
