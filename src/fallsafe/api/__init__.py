"""The door for machines: callbacks of other systems, health, coverage, and the sign-in of the person at this machine.

A door decides nothing and sends nothing: it checks who is there, keeps the bytes, and answers after the commit.
"""
