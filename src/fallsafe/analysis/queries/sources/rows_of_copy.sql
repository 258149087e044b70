-- The rows that come out of PostgreSQL through a pipe; its types are known, so that nothing is guessed.
CREATE TABLE {relation} AS
FROM read_csv(
    {path},
    auto_detect = false,
    header = false,
    delim = ',',
    quote = '"',
    escape = '"',
    nullstr = {no_value},
    allow_quoted_nulls = false,
    columns = {columns},
    max_line_size = 64000000,
    buffer_size = 64000001
)
