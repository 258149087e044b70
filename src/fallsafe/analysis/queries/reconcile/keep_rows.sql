-- Rows that came out of a database, kept on this machine.
CREATE TABLE {relation} AS
FROM {rows}
