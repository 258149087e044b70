-- One case, to look at it again.
SELECT * FROM cases WHERE id = %(id)s
