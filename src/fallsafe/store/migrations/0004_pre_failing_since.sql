-- Since when a command fails in a row: from there its retry window counts.
ALTER TABLE commands ADD COLUMN failing_since timestamptz;
