"""Fallsafe finds orders that stopped while being fulfilled, finds out what really happened, and recovers them.

The rooms, from the bottom up: `core` decides, `store` remembers, `policyset` reads policy, `flows` act, `connectors`
speak to the systems outside, `workers` keep time; `api`, `tmf`, `workbench` and `mcp` are doors, `simulator` is a
world to rehearse in, and `cli` puts it all together.
"""

__version__ = "0.1.0"
