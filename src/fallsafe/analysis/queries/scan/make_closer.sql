-- The orders whose tasks have to be looked at one by one: those that are open, those that have work done more than once,
-- and those with a task that is not the plain case of at most three different words in the order of life. What is wrong
-- with the tasks of any other order shows in the order itself.
CREATE TABLE closer AS
SELECT order_id FROM ord WHERE finished_at IS NULL AND stopped_at IS NULL
UNION
SELECT order_id
FROM (
    SELECT
        order_id, kind,
        count(*) AS n,
        (min(moment) >> 12) & 31 AS first_code,
        (max(moment) >> 12) & 31 AS last_code,
        bit_or(1::BIGINT << code) AS codes
    FROM happened
    GROUP BY order_id, kind, hash(item_id, task_id)
)
GROUP BY order_id
HAVING
    bool_or(n > 3 OR n > bit_count(codes) OR codes & ((1::BIGINT << first_code) - 1) <> 0 OR codes >> last_code <> 1)
    OR bool_or((codes >> {reopened}) & 1 = 1)
    OR count(*) FILTER (kind > 0 AND (codes >> {completed}) & 1 = 1)
        > bit_count(coalesce(bit_or({kind_bit}) FILTER ((codes >> {completed}) & 1 = 1), 0))
