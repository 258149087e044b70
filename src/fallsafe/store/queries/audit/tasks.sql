-- Every row of tasks, to compare with what the journal folds to.
SELECT * FROM tasks ORDER BY order_id, id
