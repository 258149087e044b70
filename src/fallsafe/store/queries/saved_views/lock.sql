-- The view of a name, so that two who save it at once come one after the other.
SELECT id, scope, owner, title, query, sort, made_by FROM saved_views
WHERE scope = %(scope)s AND owner = %(owner)s AND title = %(title)s FOR UPDATE
