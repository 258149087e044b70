-- What each worker holds of each gate, read without a lock.
SELECT gate, held FROM gates ORDER BY gate
