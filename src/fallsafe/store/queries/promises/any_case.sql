-- What a person in a simulated world may work on: every case, whatever its state.
SELECT id FROM cases ORDER BY id
