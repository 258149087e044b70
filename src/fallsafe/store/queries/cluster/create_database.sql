-- The owner role owns the database, so that migrations need no superuser.
CREATE DATABASE fallsafe OWNER fallsafe_owner
