-- One signal by its id.
SELECT * FROM signals WHERE id = %(id)s
