-- One case by its id.
SELECT * FROM cases WHERE id = %(id)s
