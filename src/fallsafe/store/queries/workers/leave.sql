-- A process ends on purpose: its shards go to the others at once. What it may have in hand is taken up by whoever comes next.
DELETE FROM workers WHERE name = %(worker)s AND pid = %(pid)s AND in_hand = '{}' RETURNING name
