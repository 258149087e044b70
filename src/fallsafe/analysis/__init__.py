"""Knows what files alone can show: which orders of an export are stuck or contradictory, where two systems disagree.

A first value before anything is connected: no server, no account, no policy. Files are read by DuckDB on this machine
within a memory limit, and whatever of a file could not be read is said beside every result. DuckDB is imported when a
file is opened and not before, so that the other commands start without it.
"""
