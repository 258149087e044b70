-- What breaks a rule in more than some share of all cases is how this business works, and no contradiction.
INSERT INTO normal
SELECT {rule}, sort
FROM ({cases})
GROUP BY sort
HAVING avg(broken::INTEGER) > {share}
