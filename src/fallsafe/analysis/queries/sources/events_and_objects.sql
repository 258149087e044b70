-- A row per event and object that it touches; an event without objects keeps its row.
CREATE TABLE {relation} AS
SELECT e.event_id, e.activity, e.time, t.object_id, o.object_type, t.qualifier, e.attributes
FROM {events} AS e
LEFT JOIN {touched} AS t ON t.event_id = e.event_id
LEFT JOIN {objects} AS o ON o.object_id = t.object_id
ORDER BY e.rowid, t.rowid
