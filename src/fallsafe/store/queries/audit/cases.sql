-- Every row of cases, to compare with what the journal folds to.
SELECT * FROM cases
