-- Orders of one customer for the same things within minutes of each other, none of them stopped. What was ordered is looked
-- up only for orders that are that close to another one of their customer.
WITH near AS (
    SELECT order_id, first_at, customer
    FROM bought
    WINDOW theirs AS (PARTITION BY customer ORDER BY first_at, order_id)
    QUALIFY first_at - lag(first_at) OVER theirs <= INTERVAL {within}
        OR lead(first_at) OVER theirs - first_at <= INTERVAL {within}
)
SELECT order_id, created, earlier, earlier_created, customer
FROM (
    SELECT
        order_id, first_at AS created, things.customer,
        lag(order_id) OVER same AS earlier,
        lag(first_at) OVER same AS earlier_created
    FROM near
    JOIN (
        SELECT
            order_id,
            max_by(customer, moment) AS customer,
            list_sort(list(DISTINCT concat_ws(' × ', product, quantity)) FILTER (product IS NOT NULL)) AS ordered
        FROM occurred
        WHERE order_id IN (SELECT order_id FROM near)
        GROUP BY order_id
    ) AS things USING (order_id)
    WHERE ordered IS NOT NULL
    WINDOW same AS (PARTITION BY things.customer, ordered ORDER BY first_at, order_id)
)
WHERE created - earlier_created <= INTERVAL {within}
ORDER BY order_id
