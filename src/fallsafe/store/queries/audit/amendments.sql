-- Every row of amendments, to compare with what the journal folds to.
SELECT * FROM amendments ORDER BY order_id, id
