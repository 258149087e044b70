"""The store remembers: PostgreSQL and nothing else, and no decisions.

It knows how rows are written and read (one SQL statement a file under `queries/`), how a transaction ends, how the
journal is chained, how the schema came to be (`migrations/`) and how a server is brought up where nobody has one.
"""
