-- One row a task: where it stands and the times that rules compare. `moment` packs time, word and meaning, so that the
-- greatest is the last; of two words of one instant the later in life is. Only what the files can have is aggregated.
CREATE TABLE task AS
SELECT
    order_id, item_id, task_id, kind, n, last, codes, mask,
    {columns}
FROM (
    SELECT
        order_id, item_id, task_id, kind,
        count(*)::INTEGER AS n,
        max(moment) AS last,
        bit_or((1::BIGINT << code)) AS codes,
        bit_or(bit) AS mask,
        {aggregates}
    FROM happened
    WHERE {which}
    GROUP BY order_id, item_id, task_id, kind
)
