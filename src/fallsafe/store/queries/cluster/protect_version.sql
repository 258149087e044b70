-- The product may read which migrations have run, and never write it.
DO $$
BEGIN
    REVOKE ALL ON schema_version FROM fallsafe_app;
    GRANT SELECT ON schema_version TO fallsafe_app;
END
$$
