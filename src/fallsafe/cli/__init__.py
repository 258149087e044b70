"""The command line puts everything together: it alone reads settings, starts processes and chooses connectors.

Every other room is handed what it needs from here. Most verbs speak HTTP to a running installation like any other
client; only those that start one, or that work on files alone, do without.
"""
