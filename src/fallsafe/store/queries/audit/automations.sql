-- Every switch, to compare with what the journal folds to.
SELECT * FROM automations ORDER BY id
