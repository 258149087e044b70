-- A row per event and order: the order that it touches, or else one that a touched object is linked with, in either
-- direction; with the event's attributes, the latest values of the order, the task that the event touches and the item of that.
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
),
work AS (
    SELECT
        event_id, string_agg(object_id, ' ' ORDER BY object_id) AS touched,
        CASE WHEN count(*) FILTER (object_type IN ({task_types})) = 1
            THEN min(object_id) FILTER (object_type IN ({task_types})) END AS task_id
    FROM {log}
    GROUP BY event_id
),
about AS (
    SELECT l.task_id, min(l.item_id) AS item_id
    FROM (
        SELECT object_id AS task_id, other_id AS item_id FROM {links}
        UNION
        SELECT other_id, object_id FROM {links}
    ) AS l
    JOIN {objects} AS o ON o.object_id = l.item_id AND o.object_type IN ({item_types})
    GROUP BY l.task_id
    HAVING count(*) = 1
)
SELECT DISTINCT
    r.order_id, e.event_id, e.activity, e.time, CAST(e.attributes AS VARCHAR) AS attributes, known.object,
    work.task_id, about.item_id, work.touched
FROM (FROM direct UNION FROM indirect) AS r
JOIN {log} AS e ON e.event_id = r.event_id
JOIN work ON work.event_id = e.event_id
LEFT JOIN about ON about.task_id = work.task_id
LEFT JOIN known ON known.object_id = r.order_id
