"""Workers keep time: they read what is due, let flows decide, and are the only part that talks to other systems.

A worker holds nothing that is not in the database; kill one at any point and another goes on, after its leases.
"""
