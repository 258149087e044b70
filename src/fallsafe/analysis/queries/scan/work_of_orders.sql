-- What work orders need and have done, for make_ord.sql: asked where no phrase ends an order.
JOIN (
    SELECT
        order_id,
        bit_or(CASE WHEN ((last >> 12) & 31) IN ({over}) THEN {kind_bit} ELSE 0::BIGINT END) AS done_kinds,
        bit_or(coalesce(needs, 0)) AS needs,
        count(*) FILTER (kind > 0 AND ((last >> 12) & 31) IN ({open}))::INTEGER AS open_tasks
    FROM task
    LEFT JOIN need USING (kind)
    GROUP BY order_id
) USING (order_id)
