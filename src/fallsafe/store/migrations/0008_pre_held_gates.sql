-- What each worker holds of a downstream: calls at once, until when, and whether it had none left.
ALTER TABLE gates ADD COLUMN held jsonb NOT NULL DEFAULT '{}';
