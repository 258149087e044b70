-- What some worker died with, how often alone and at which work, and whether it is set aside.
SELECT order_id, deaths, doing, set_aside_at IS NOT NULL AS set_aside FROM suspects ORDER BY order_id
