-- What a source has found wrong with an effect of an order and still says.
SELECT external_id FROM signals
WHERE order_id = %(order_id)s AND source = %(source)s AND state IN ('standing', 'candidate')
  AND starts_with(external_id, %(effect)s) ORDER BY id
