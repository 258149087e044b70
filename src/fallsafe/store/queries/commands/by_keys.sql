-- Which order a key belongs to: callbacks arrive with keys, not with our ids.
SELECT key, order_id, id FROM commands WHERE key = ANY(%(keys)s)
