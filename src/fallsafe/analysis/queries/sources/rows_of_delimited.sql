-- Every value stays the text that it is in the file; a row that does not fit is kept aside with its reason, never lost.
CREATE TABLE {relation} AS
SELECT {values}
FROM read_csv(
    {path},
    auto_detect = false,
    header = false,
    skip = {skip},
    delim = {delimiter},
    quote = {quote},
    escape = {escape},
    columns = {columns},
    nullstr = ['', 'NULL', '\N'],
    compression = {compression},
    null_padding = {padded},
    parallel = {parallel},
    max_line_size = {line_bytes_max},
    buffer_size = {buffer_bytes},
    store_rejects = true,
    rejects_table = {rejects},
    rejects_scan = {scans},
    rejects_limit = 0
)
{rows_max}
