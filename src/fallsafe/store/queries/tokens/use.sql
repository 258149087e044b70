-- A one-time code is used once.
UPDATE tokens SET used_at = %(now)s WHERE id = %(id)s AND used_at IS NULL
