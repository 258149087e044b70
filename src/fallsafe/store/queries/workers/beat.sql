-- A worker lives, and has nothing in hand between its transactions.
UPDATE workers SET seen_at = %(now)s, in_hand = '{}' WHERE name = %(worker)s RETURNING name
