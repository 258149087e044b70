-- Sealed bytes by their ids, to be compared with what was written of them (P5).
SELECT id, sealed FROM evidence WHERE id = ANY(%(ids)s) ORDER BY id
