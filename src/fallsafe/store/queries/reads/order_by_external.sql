-- One order by what its source calls it.
SELECT * FROM orders WHERE source = %(source)s AND external_id = %(external_id)s
