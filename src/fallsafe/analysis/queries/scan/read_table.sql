-- The rows of a table as events: one for each date that is filled, and one for the state, which is of the time of the
-- last change where the table has one, and else no earlier than the latest date.
INSERT INTO event
SELECT
    {kept}
FROM (
    SELECT * EXCLUDE (step), step.raw AS raw, step.ts AS ts, step.dated AS dated
    FROM (
        SELECT {columns}, coalesce({type}, '') AS type, unnest([{steps}]) AS step
        FROM {relation}
    )
) AS e
LEFT JOIN meaning AS m ON m.type = e.type AND m.raw = e.raw
WHERE e.order_id IS NOT NULL AND e.order_id <> '' AND e.ts IS NOT NULL AND e.raw IS NOT NULL
