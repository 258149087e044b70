"""The REST API: orders, commands, fallout cases, callbacks of other systems, the feed of events, policy sets, health.

A door decides nothing, sends nothing and holds no statement: it knows who asks, reads a request strictly, asks a flow
in one transaction, and says what came of it after the commit.
"""
