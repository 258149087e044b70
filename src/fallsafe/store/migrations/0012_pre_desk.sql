-- What the pages beside the queue read: repairs that wait, and the texts of cases and orders by any part of a word.
CREATE INDEX repairs_waiting ON repairs (expires_at) WHERE state IN ('previewed', 'awaited', 'approved');
