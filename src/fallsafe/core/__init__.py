"""The core decides: pure functions over frozen values, standard library only.

Nothing here reads a clock, rolls dice, talks to a network or a database, writes a log or parses text. The time (`now`),
policy and facts are arguments, so that the same inputs give the same decision in production, in a test and in a
simulated world.
"""
