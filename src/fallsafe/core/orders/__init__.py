"""Orders: what was agreed (order, items, snapshot), the work it takes (plan, tasks), and whether it may go on
(progress).
"""
