-- Every row of tasks, to compare with what the journal folds to.
SELECT * FROM tasks
