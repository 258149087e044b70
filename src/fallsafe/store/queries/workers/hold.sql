-- What a worker is about to decide, written before it does. It need not survive the server: whoever lives through that is no suspect.
UPDATE workers SET in_hand = %(ids)s, facts = jsonb_build_object('doing', %(doing)s::text)
FROM (SELECT set_config('synchronous_commit', 'off', true)) quickly
WHERE name = %(worker)s RETURNING name
