-- How many views there are of a kind.
SELECT count(*) AS views FROM saved_views WHERE scope = %(scope)s AND owner = %(owner)s
