-- Which objects each event of an OCEL log touches.
SELECT ocel_event_id, ocel_object_id, ocel_qualifier FROM event_object
