-- One row an order: where it stands, its dates, and whether it is finished.
CREATE TABLE ord AS
SELECT *, {finished} AS finished_at
FROM (
    SELECT
        order_id,
        min(ts) AS first_at,
        make_timestamp_ms(max(moment) >> 17) AS last_at,
        bit_or(bit) AS mask,
        {columns}
    FROM happened
    GROUP BY order_id
)
{with_work}
