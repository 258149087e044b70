-- One row an order: where it stands, its dates, and whether it is finished.
CREATE TABLE ord AS
SELECT
    *,
    {finished} AS finished_at,
    ((last >> 12) & 31) AS code,
    make_timestamp_ms(last_at_ms) AS last_at
FROM (
    SELECT
        order_id,
        count(*)::INTEGER AS tasks,
        min(first_at) AS first_at,
        max(last) AS last,
        max(last) >> 17 AS last_at_ms,
        max(last_dated) AS last_dated,
        max(last) FILTER (kind = 0) AS last_level,
        bit_or(mask) AS mask,
        bit_or(kinds) AS kinds,
        bit_or(CASE WHEN ((last >> 12) & 31) IN (14, 15, 16, 18) THEN kinds ELSE 0::BIGINT END) AS done_kinds,
        bit_or(coalesce(needs, 0)) AS needs,
        count(*) FILTER (kind > 0 AND ((last >> 12) & 31) IN (3, 5, 6, 7, 8, 9, 10, 11, 12, 19))::INTEGER AS open_tasks,
        min(finish_at) AS finish_at,
        max(finish_at) AS finish_last_at,
        max(done_last_at) AS done_last_at,
        min(created_at) AS created_at,
        min(confirmed_at) AS confirmed_at,
        min(shipped_at) AS shipped_at,
        min(delivered_at) AS delivered_at,
        min(completed_at) AS completed_at,
        min(stopped_at) FILTER (kind = 0) AS stopped_at,
        max(reopened_at) FILTER (kind = 0) AS reopened_at,
        max_by(due, last) AS due,
        max_by(until, last) AS until,
        max_by(team, last) AS team,
        max_by(product, last) AS product,
        max_by(customer, last) AS customer
    FROM task
    LEFT JOIN need USING (kind)
    GROUP BY order_id
)
