-- The rows of a table as events: one for each date that is filled, and one for the state, which is of the time of the
-- last change where the table has one, and else no earlier than the latest date.
INSERT INTO event
SELECT
    e.order_id, e.item_id, e.task_id, coalesce(m.no, 0), e.step.ts, e.step.dated, e.due, e.until, e.team, e.product,
    e.customer, e.sold, e.listed, e.quantity, e.discontinued, e.waits_for, e.line
FROM (
    SELECT {columns}, coalesce({type}, '') AS type, unnest([{steps}]) AS step
    FROM {relation}
) AS e
LEFT JOIN meaning AS m ON m.type = e.type AND m.raw = e.step.raw
WHERE e.order_id IS NOT NULL AND e.order_id <> '' AND e.step.ts IS NOT NULL AND e.step.raw IS NOT NULL
