"""Flows act: one function is one transaction's worth of work over many inputs: lock, load, ask the core, record.

A flow never commits; its caller owns the transaction. It returns one `Applied` or `Refused` for each input, and
records both. Flows talk to nobody.
"""
