-- The last callbacks of a system are found without reading all that ever came of it.
CREATE INDEX inbox_of_system ON inbox (system, id);
