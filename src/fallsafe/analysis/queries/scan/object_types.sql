-- Which types of objects an object-centric log knows: one of them are the orders.
SELECT object_type, count(*) AS n FROM {objects} GROUP BY object_type ORDER BY object_type
