-- What happened, in one form for all files; a table's dates and states become events as well. Only what the files have is
-- kept. `line` is the hash of the whole row of the file, to recognize rows that are there twice; `slot` says which orders
-- are judged together.
CREATE TABLE event (
    {columns}
)
