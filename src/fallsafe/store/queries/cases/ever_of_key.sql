-- Whether a thing without an order ever had a case of this key, however that ended.
SELECT id FROM cases WHERE case_key = %(case_key)s AND order_id = 0 LIMIT 1
