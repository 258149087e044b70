"""Connectors speak to the outside: they send one attempt of one command and bring back what happened as a value.

They decide nothing and remember nothing: an attempt may be lost, and then the answer is `Lost`, never a second try.
"""
