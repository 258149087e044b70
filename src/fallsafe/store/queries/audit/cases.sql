-- Every row of cases, to compare with what the journal folds to.
SELECT * FROM cases ORDER BY order_id, id
