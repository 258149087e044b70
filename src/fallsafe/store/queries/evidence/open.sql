-- Sealed evidence by id, to be read by those who may.
SELECT * FROM evidence WHERE order_id = ANY(%(orders)s) AND id = ANY(%(ids)s)
