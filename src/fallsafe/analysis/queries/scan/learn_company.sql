-- Which kinds of work orders have together, as masks: what nearly always comes along is part of a whole order.
SELECT kinds, count(*) AS orders
FROM (SELECT order_id, bit_or({kind_bit}) AS kinds FROM task WHERE kind > 0 GROUP BY order_id)
GROUP BY kinds
