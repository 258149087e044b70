-- The next records of a lane, to be followed link by link (P5).
SELECT seq, payload, digest, link FROM journal WHERE lane = %(lane)s AND seq > %(seq)s ORDER BY seq LIMIT %(limit)s
