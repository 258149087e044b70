-- How often the password was wrong in a row, and until when none is taken.
UPDATE people SET wrong_in_a_row = %(wrong)s, locked_until = %(until)s WHERE name = %(person)s
