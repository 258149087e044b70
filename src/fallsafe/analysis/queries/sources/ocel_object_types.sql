-- Types of objects of an OCEL log, with the name of the table that has their values.
SELECT ocel_type, ocel_type_map FROM object_map_type ORDER BY ocel_type
