-- How many keys of each kind there are, and how many rows of A and B stand behind them.
SELECT kind, unsettled, count(*)::BIGINT AS found, sum(rows_a)::BIGINT AS rows_a, sum(rows_b)::BIGINT AS rows_b
FROM {kept}
GROUP BY kind, unsettled
