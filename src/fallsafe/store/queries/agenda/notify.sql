-- A hint, once a batch, that something became due now; a lost hint costs a poll.
SELECT pg_notify(%(channel)s, '')
