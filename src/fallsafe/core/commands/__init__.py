"""Commands: one intended external effect each, with one key for life; contracts of operations; what the outside says
and how it is read.
"""
