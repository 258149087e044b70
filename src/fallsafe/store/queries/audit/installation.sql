-- Whether this installation sends, to compare with its records.
SELECT * FROM installation
