-- The new head of the lane after the records of this transaction; the lease is renewed with it.
UPDATE lanes SET seq = %(seq)s, link = %(link)s, id_last = %(id_last)s, leased_until = %(until)s WHERE lane = %(lane)s AND fence = %(fence)s
