-- The rows of a log as events: each row is read once, and rows without an order or a time are left out.
INSERT INTO event
SELECT
    {kept}
FROM (
    SELECT {columns}, TRUE AS dated, coalesce({type}, '') AS type, coalesce({raw}, '') AS raw
    FROM {relation}
) AS e
LEFT JOIN meaning AS m ON m.type = e.type AND m.raw = e.raw
WHERE e.order_id IS NOT NULL AND e.order_id <> '' AND e.ts IS NOT NULL
