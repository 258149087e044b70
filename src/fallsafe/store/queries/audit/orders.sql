-- Every row of orders, to compare with what the journal folds to.
SELECT * FROM orders ORDER BY id
