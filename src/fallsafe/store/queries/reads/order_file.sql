-- Everything of one order, named by its id or by that of one of its cases, in one statement: hence all its parts are of one version.
SELECT to_jsonb(o) AS "order",
       (SELECT coalesce(json_agg(i ORDER BY i.id), '[]') FROM items i WHERE i.order_id = o.id) AS items,
       (SELECT coalesce(json_agg(t ORDER BY t.id), '[]') FROM tasks t WHERE t.order_id = o.id) AS tasks,
       (SELECT coalesce(json_agg(c ORDER BY c.id), '[]') FROM commands c WHERE c.order_id = o.id) AS commands,
       (SELECT coalesce(json_agg(k ORDER BY k.id), '[]') FROM cases k WHERE k.order_id = o.id) AS cases,
       (SELECT coalesce(json_agg(r ORDER BY r.id), '[]') FROM repairs r WHERE r.order_id = o.id) AS repairs,
       (SELECT coalesce(json_agg(g ORDER BY g.due_at, g.kind, g.id), '[]') FROM agenda g WHERE g.order_id = o.id) AS agenda,
       (SELECT coalesce(json_agg(a ORDER BY a.at, a.command_id, a.n), '[]') FROM attempts a WHERE a.order_id = o.id) AS attempts,
       (SELECT coalesce(json_agg(s ORDER BY s.at, s.id), '[]') FROM outcomes s WHERE s.order_id = o.id) AS outcomes,
       (SELECT coalesce(json_agg(e ORDER BY e.at, e.id), '[]')
        FROM (SELECT id, order_id, command_id, attempt, kind, source, media_type, sensitivity, size, head, at, digest, sealed_digest
              FROM evidence WHERE order_id = o.id) e) AS evidence,
       (SELECT coalesce(json_agg(j ORDER BY j.version), '[]')
        FROM (SELECT lane, seq, order_id, version, at, thing, thing_id, verb, payload, encode(digest, 'hex') AS digest
              FROM journal WHERE order_id = o.id ORDER BY version DESC LIMIT %(lines)s) j) AS journal
FROM orders o WHERE o.id = coalesce(%(id)s::bigint, (SELECT order_id FROM cases WHERE id = %(case_id)s))
