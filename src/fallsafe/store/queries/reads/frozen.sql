-- The ids of those that are asked for, up to a limit: a set that stays as it is, whatever moves meanwhile.
SELECT k.id FROM cases k WHERE true /* reads/matching */ ORDER BY k.id LIMIT %(limit)s
