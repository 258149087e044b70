"""Knows where two systems disagree about the same things (§6.4): which keys one of them lacks, which are there more
than once, and which values differ, by rules that a person can read.

`pairing` decides which columns answer to each other and by what rule; `expressions` writes a rule as SQL; `compare`
runs it in DuckDB within its memory, `database` inside a PostgreSQL or a warehouse through Ibis; `findings` counts and
keeps what was found; `telling` and `page` say it. The same inputs give the same result, byte for byte: nothing in it
depends on when, where or in which order it was found.
"""
