-- How a delimited file is read: every value stays the text that it is in the file.
read_csv(
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
    {oddities}
)
