-- The rows of a delimited file as a table.
CREATE TABLE {relation} AS
SELECT {values}
FROM {delimited}
{rows_max}
