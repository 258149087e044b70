-- Keys that are repeated are looked at closely too.
INSERT INTO {suspects}
SELECT key, 0 FROM {repeated}
