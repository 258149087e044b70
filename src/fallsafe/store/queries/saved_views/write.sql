-- A new view, or a known one as it is now.
INSERT INTO saved_views (id, scope, owner, title, query, sort, made_by, made_at, changed_at)
VALUES (%(id)s, %(scope)s, %(owner)s, %(title)s, %(query)s, %(sort)s, %(made_by)s, %(now)s, %(now)s)
ON CONFLICT (scope, owner, title) DO UPDATE SET query = excluded.query, sort = excluded.sort, changed_at = excluded.changed_at
