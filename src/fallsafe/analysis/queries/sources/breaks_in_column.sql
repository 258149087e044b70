-- One column's share of breaks.sql.
coalesce(length({column}) - length(replace({column}, chr(10), '')), 0)
