-- The owner role makes the tables, also in a database that belongs to somebody else.
GRANT USAGE, CREATE ON SCHEMA public TO fallsafe_owner
