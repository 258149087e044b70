-- Whether the open case of a key has come to a state, read without a lock.
SELECT id FROM cases WHERE case_key = %(case_key)s AND state = %(state)s LIMIT 1
