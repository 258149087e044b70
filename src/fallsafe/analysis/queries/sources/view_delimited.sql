-- A large file stays where it is and is read anew for each question: to copy it takes longer than to read it thrice.
CREATE VIEW {relation} AS
SELECT {values}
FROM {delimited}
