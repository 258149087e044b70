-- Each pair of milestones of an order's life, with whether it stands in the wrong order.
SELECT
    order_id, pair.earlier, pair.earlier_at, pair.later, pair.later_at,
    pair.later || ' before ' || pair.earlier AS sort,
    surely_before(pair.later_at, pair.earlier_at) AS broken
FROM (
    SELECT order_id, unnest([
        {'earlier': 'created', 'earlier_at': created_at, 'later': 'confirmed', 'later_at': confirmed_at},
        {'earlier': 'created', 'earlier_at': created_at, 'later': 'shipped', 'later_at': shipped_at},
        {'earlier': 'created', 'earlier_at': created_at, 'later': 'delivered', 'later_at': delivered_at},
        {'earlier': 'created', 'earlier_at': created_at, 'later': 'completed', 'later_at': completed_at},
        {'earlier': 'confirmed', 'earlier_at': confirmed_at, 'later': 'shipped', 'later_at': shipped_at},
        {'earlier': 'confirmed', 'earlier_at': confirmed_at, 'later': 'delivered', 'later_at': delivered_at},
        {'earlier': 'confirmed', 'earlier_at': confirmed_at, 'later': 'completed', 'later_at': completed_at},
        {'earlier': 'shipped', 'earlier_at': shipped_at, 'later': 'delivered', 'later_at': delivered_at},
        {'earlier': 'shipped', 'earlier_at': shipped_at, 'later': 'completed', 'later_at': completed_at}
    ]) AS pair
    FROM ord
    WHERE coalesce(created_at, confirmed_at, shipped_at) IS NOT NULL
)
WHERE pair.earlier_at IS NOT NULL AND pair.later_at IS NOT NULL
