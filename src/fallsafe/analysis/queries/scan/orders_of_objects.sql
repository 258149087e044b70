-- A row per event and order: the order that it touches, or else one that a touched object is linked with, in either
-- direction; with the event's attributes and the latest values of the order.
CREATE TABLE {relation} AS
WITH orders AS (
    SELECT object_id FROM {objects} WHERE object_type = {type}
),
direct AS (
    SELECT event_id, object_id AS order_id FROM {log} WHERE object_type = {type}
),
kin AS (
    SELECT l.other_id AS thing, l.object_id AS order_id FROM {links} AS l JOIN orders AS o ON o.object_id = l.object_id
    UNION
    SELECT l.object_id, l.other_id FROM {links} AS l JOIN orders AS o ON o.object_id = l.other_id
),
indirect AS (
    SELECT DISTINCT e.event_id, k.order_id
    FROM {log} AS e
    JOIN kin AS k ON k.thing = e.object_id
    WHERE e.event_id NOT IN (SELECT event_id FROM direct)
),
known AS (
    SELECT object_id, CAST(json_group_object(name, value) AS VARCHAR) AS object
    FROM (
        SELECT object_id, name, max_by(value, coalesce(time, '')) AS value FROM {values} GROUP BY object_id, name
    )
    GROUP BY object_id
)
SELECT DISTINCT
    r.order_id, e.event_id, e.activity, e.time, CAST(e.attributes AS VARCHAR) AS attributes, known.object
FROM (FROM direct UNION FROM indirect) AS r
JOIN {log} AS e ON e.event_id = r.event_id
LEFT JOIN known ON known.object_id = r.order_id
