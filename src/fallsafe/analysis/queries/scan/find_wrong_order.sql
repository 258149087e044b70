-- Milestones of an order's life in the wrong order. What happens in more than half of the orders that have both is how
-- this business works, and no contradiction.
SELECT order_id, earlier, earlier_at, later, later_at
FROM (
    SELECT *, avg(broken::INTEGER) OVER (PARTITION BY earlier, later) AS share
    FROM (
        SELECT
            order_id, pair.earlier, pair.earlier_at, pair.later, pair.later_at,
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
    )
)
WHERE broken AND share <= 0.5
QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY later_at, earlier_at DESC) = 1
ORDER BY order_id
