-- The revision of an order that came under this id, if any; its head is the id that those who sell gave it.
SELECT id, digest FROM evidence WHERE order_id = %(order_id)s AND kind = 'revision' AND head = %(head)s ORDER BY id LIMIT 1
