-- What became of received facts.
UPDATE inbox i SET state = u.state, tries = u.tries, order_id = u.order_id
FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(tries)s::integer[], %(orders)s::bigint[]) u (id, state, tries, order_id) WHERE i.id = u.id
