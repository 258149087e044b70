-- What this user may do here, asked before anything is changed, so that the answer can say what is missing.
SELECT
    current_setting('server_version_num')::integer / 10000 AS major,
    current_user AS me,
    current_database() AS database,
    (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user) AS may_create_roles,
    (SELECT count(*) FROM pg_roles WHERE rolname IN ('fallsafe_owner', 'fallsafe_app')) = 2 AS roles_exist,
    COALESCE((SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = 'fallsafe_owner'), false) AS is_owner,
    COALESCE((SELECT has_schema_privilege(oid, 'public', 'CREATE') FROM pg_roles WHERE rolname = 'fallsafe_owner'), false) AS owner_may_create
