-- Evidence with what stands beside its bytes, for whoever judges whether it is as it came.
SELECT order_id, id, kind, head, sealed FROM evidence WHERE id = ANY(%(ids)s) ORDER BY id
