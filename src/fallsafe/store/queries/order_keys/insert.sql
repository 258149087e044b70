-- One data key an order, wrapped by the master key that is kept outside the database.
INSERT INTO order_keys (order_id, wrapped) SELECT * FROM unnest(%(orders)s::bigint[], %(wrapped)s::bytea[]) ON CONFLICT DO NOTHING
