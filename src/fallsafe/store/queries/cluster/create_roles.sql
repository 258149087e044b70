-- Two roles, so that the product cannot change what it must only append to: the owner migrates, the app works.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fallsafe_owner') THEN
        CREATE ROLE fallsafe_owner LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fallsafe_app') THEN
        CREATE ROLE fallsafe_app LOGIN;
    END IF;
END
$$
