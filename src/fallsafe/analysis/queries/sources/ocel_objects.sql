-- All objects of an OCEL log.
SELECT ocel_id, ocel_type FROM object
