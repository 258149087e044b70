-- Moments become texts in UTC, as everywhere else.
SET TIME ZONE 'UTC'
