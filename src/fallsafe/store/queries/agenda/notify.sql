-- A hint, once a batch, that something became due now; a lost hint costs a poll.
NOTIFY fallsafe_due
