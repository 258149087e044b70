"""The simulator: worlds in which the product is tried out. So far it holds the sandbox, real systems in small for one
machine.
"""
