-- What people wrote about a case, still sealed; its head names the case.
SELECT id, source, at, media_type, sealed FROM evidence
WHERE order_id = %(order_id)s AND kind = 'comment' AND head = %(case)s ORDER BY id LIMIT 500
