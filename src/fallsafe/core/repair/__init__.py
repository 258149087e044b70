"""What may be done about a failure, as data: the catalogue, what an action would do, who agrees to it, what it may not
change.
"""
