-- `moment` packs time, word and meaning into one number that sorts as things happened.
-- Only what can have happened by the time of the scan counts from here on; the rest is reported and moves nothing.
CREATE VIEW occurred AS
SELECT
    {columns},
    CASE WHEN e.meaning BETWEEN 1 AND {bits} THEN 1::BIGINT << (e.meaning - 1) ELSE 0::BIGINT END AS bit,
    (epoch_ms({clock}) << 17) | (e.code::BIGINT << 12) | e.meaning AS moment
FROM event AS e
WHERE {counts}
