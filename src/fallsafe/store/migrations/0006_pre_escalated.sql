-- Whoever was told of a case because it took too long.
ALTER TABLE cases ADD COLUMN escalated_to text NOT NULL DEFAULT '';
