-- A view that somebody took away; the journal keeps what it was.
DELETE FROM saved_views WHERE id = %(id)s
