-- Every row of repairs, to compare with what the journal folds to.
SELECT * FROM repairs ORDER BY order_id, id
