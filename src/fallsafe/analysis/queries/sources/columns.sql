-- The columns of a relation as DuckDB sees them, in their order.
SELECT column_name, column_type
FROM (DESCRIBE {relation})
