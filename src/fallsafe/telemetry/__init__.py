"""Telemetry: what the product says of itself to those who run it, as log lines and numbers.

It knows how a line is written and what must never be in one; it decides nothing and keeps nothing.
"""
