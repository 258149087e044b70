"""The sandbox: three systems outside, each a process of its own that speaks HTTP and keeps its own truth on disk.

They answer, refuse, lose answers, come late and call back as told, per operation and business object. What they did
stands in append-only files that are written before anybody is answered, so that somebody else can judge afterwards
whether anything happened twice, even when every process has ended.
"""
