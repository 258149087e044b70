-- How many repairs wait for a second person, not counting what this person asked for.
SELECT count(*) AS n FROM repairs WHERE state = 'awaited' AND expires_at > %(now)s AND asked_by <> %(me)s
