-- Types of events of an OCEL log, with the name of the table that has their times and attributes.
SELECT ocel_type, ocel_type_map FROM event_map_type ORDER BY ocel_type
