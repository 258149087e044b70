-- The views that somebody may see: their own, those of their roles, and everyone's.
SELECT id, scope, owner, title, query, sort, made_by FROM saved_views
WHERE scope = 'everyone' OR (scope = 'own' AND owner = %(person)s) OR (scope = 'team' AND owner = ANY(%(roles)s))
ORDER BY scope DESC, title, id
