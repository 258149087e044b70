-- One row a task: where it stands and the times that rules compare. `moment` packs time, word and meaning, so that the
-- greatest is the last; of two words of one instant the later in life is. Numbers of words are those of `Word`.
CREATE TABLE task AS
SELECT
    order_id, item_id, task_id, kind,
    count(*)::INTEGER AS n,
    min(ts) AS first_at,
    max(moment) AS last,
    max(moment) FILTER (dated) AS last_dated,
    min(ts) FILTER (code IN (5, 6)) AS started_at,
    max(ts) FILTER (code IN (5, 6, 12)) AS worked_at,
    min(ts) FILTER (code IN (14, 15, 16)) AS done_at,
    max(ts) FILTER (code IN (14, 15, 16)) AS done_last_at,
    count(*) FILTER (code = 15)::INTEGER AS times_done,
    max(ts) FILTER (code = 19) AS reopened_at,
    min(ts) FILTER (code IN (17, 18)) AS stopped_at,
    max(ts) FILTER (code = 9) AS case_at,
    max(ts) FILTER (code = 13) AS case_closed_at,
    bit_or((1::BIGINT << code)) AS codes,
    bit_or(bit) AS mask,
    bit_or(kind_bit) AS kinds,
    min(ts) FILTER (step = 1) AS created_at,
    min(ts) FILTER (step = 2) AS confirmed_at,
    max(ts) FILTER (step = 2) AS confirmed_last_at,
    min(ts) FILTER (step = 3) AS shipped_at,
    max(ts) FILTER (step = 3) AS shipped_last_at,
    min(ts) FILTER (step = 4) AS delivered_at,
    min(ts) FILTER (step = 5) AS completed_at,
    min(ts) FILTER (meaning IN ({finish})) AS finish_at,
    max(ts) FILTER (dated AND code = 1) AS new_last_at,
    min(ts) FILTER (dated AND code IN (2, 5, 14, 15)) AS begun_at,
    max(ts) FILTER (dated AND code IN (2, 5)) AS begun_last_at,
    min(ts) FILTER (dated AND code IN (14, 15)) AS out_at,
    max(ts) FILTER (dated AND code = 14) AS out_last_at,
    min(ts) FILTER (dated AND code = 15) AS over_at,
    max(code) FILTER (NOT dated) AS state,
    {attributes}
FROM happened
GROUP BY order_id, item_id, task_id, kind
