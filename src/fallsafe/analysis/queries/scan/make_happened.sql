-- `moment` packs time, word and meaning into one number that sorts as things happened.
-- Only what can have happened by the time of the scan counts from here on; the rest is reported and moves nothing.
CREATE VIEW happened AS
SELECT
    e.order_id,
    coalesce(e.item_id, '') AS item_id,
    {task} AS task_id,
    e.ts, e.dated, e.due, e.until, e.team, e.product, e.customer, e.sold, e.listed, e.quantity, e.discontinued,
    e.waits_for, e.line,
    m.no AS meaning, m.kind, m.name, m.raw, m.code, m.step, m.bit, m.kind_bit,
    (epoch_ms({clock}) << 17) | (m.code::BIGINT << 12) | m.no AS moment
FROM event AS e
JOIN meaning AS m ON m.no = e.meaning
WHERE e.ts BETWEEN {first} AND {last}
