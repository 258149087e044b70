-- What happened, in one form for all files; a table's dates and states become events as well.
-- `line` is the hash of the whole row of the file, to recognize rows that are there twice.
CREATE TABLE event (
    order_id VARCHAR,
    item_id VARCHAR,
    task_id VARCHAR,
    meaning SMALLINT,
    ts TIMESTAMP,
    dated BOOLEAN,
    due TIMESTAMP,
    until TIMESTAMP,
    team VARCHAR,
    product VARCHAR,
    customer VARCHAR,
    sold DOUBLE,
    listed DOUBLE,
    quantity VARCHAR,
    discontinued BOOLEAN,
    waits_for VARCHAR,
    line UBIGINT
)
