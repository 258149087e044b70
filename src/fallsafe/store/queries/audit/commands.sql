-- Every row of commands, to compare with what the journal folds to.
SELECT * FROM commands ORDER BY order_id, id
