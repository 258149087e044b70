-- Orders of one customer for the same things within minutes of each other, none of them stopped.
SELECT order_id, created, earlier, earlier_created, customer
FROM (
    SELECT
        order_id, first_at AS created, customer,
        lag(order_id) OVER same AS earlier,
        lag(first_at) OVER same AS earlier_created
    FROM ord
    JOIN (
        SELECT order_id, list_sort(list(DISTINCT concat_ws(' × ', product, quantity))) AS things
        FROM happened
        WHERE product IS NOT NULL
        GROUP BY order_id
    ) USING (order_id)
    WHERE customer IS NOT NULL AND stopped_at IS NULL
    WINDOW same AS (PARTITION BY customer, things ORDER BY first_at, order_id)
)
WHERE created - earlier_created <= INTERVAL {within}
ORDER BY order_id
