-- Rows whose state says that less has happened than their dates do. Where most of those that are out say so, the state is
-- about something else.
SELECT order_id, since, state
FROM ({cases})
WHERE broken AND {unusual}
ORDER BY order_id
