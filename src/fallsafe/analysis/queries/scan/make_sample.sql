-- The lives of the orders that durations are learned from, event by event. `mask` is what had happened by then, `next_at`
-- when something happened next.
CREATE TABLE sample AS
SELECT
    order_id, ts, meaning, kind, code, moment,
    bit_or(bit) OVER (PARTITION BY order_id ORDER BY moment ROWS UNBOUNDED PRECEDING) AS mask,
    lead(ts) OVER (PARTITION BY order_id ORDER BY moment) AS next_at,
    max(ts) OVER (PARTITION BY order_id) AS end_at,
    max(moment) OVER (PARTITION BY order_id) = moment AS is_last
FROM happened
WHERE dated
