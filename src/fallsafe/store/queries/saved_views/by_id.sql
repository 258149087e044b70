-- One view, to change or to follow it.
SELECT id, scope, owner, title, query, sort, made_by FROM saved_views WHERE id = %(id)s
