-- One piece of evidence wherever it stands; ids carry the time, so a block range index finds it.
SELECT * FROM evidence WHERE id = %(id)s
