-- Every row of items, to compare with what the journal folds to.
SELECT * FROM items ORDER BY order_id, id
