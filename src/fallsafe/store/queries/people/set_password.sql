-- A new password; the tries with the one before count no more.
UPDATE people SET password = %(proof)s, wrong_in_a_row = 0, locked_until = NULL, version = version + 1
WHERE name = %(person)s
