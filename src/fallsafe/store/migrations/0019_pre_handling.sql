-- How a case is handled between people: who is to accept it, who was asked about it, and how long each group had it.
ALTER TABLE cases ADD COLUMN handling jsonb;
CREATE INDEX cases_of_somebody ON cases (assignee) WHERE assignee <> '';
CREATE INDEX cases_asked ON cases (order_id) WHERE handling -> 'open' = 'true';
