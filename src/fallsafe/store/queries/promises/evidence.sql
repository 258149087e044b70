-- Sealed bytes by their ids, for whoever judges what they say.
SELECT order_id, id, sealed FROM evidence WHERE id = ANY(%(ids)s) ORDER BY id
