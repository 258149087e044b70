-- One row an order: where it stands, its dates, and whether it is finished.
CREATE TABLE ord AS
SELECT *, {finished} AS finished_at
FROM (
    SELECT
        order_id,
        min(first_at) AS first_at,
        make_timestamp_ms(max(last) >> 17) AS last_at,
        max(last_dated) AS last_dated,
        bit_or(mask) AS mask,
        max(done_last_at) AS done_last_at,
        {columns}
    FROM task
    {with_needs}
    GROUP BY order_id
)
JOIN (SELECT order_id, {attributes} FROM happened GROUP BY order_id) USING (order_id)
