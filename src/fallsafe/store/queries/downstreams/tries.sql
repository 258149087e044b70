-- Whether a canary is on its way, or will be.
SELECT kind FROM agenda WHERE id = %(id)s AND kind IN ('release', 'send', 'lease') LIMIT 1
