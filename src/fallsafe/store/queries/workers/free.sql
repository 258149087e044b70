-- The hand is empty from the same commit on in which the work was done.
UPDATE workers SET in_hand = '{}' WHERE name = %(worker)s
