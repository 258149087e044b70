-- The lines that were read of a file.
SELECT line FROM {relation}
