-- Which objects of an OCEL log belong to each other.
SELECT ocel_source_id, ocel_target_id, ocel_qualifier FROM object_object
