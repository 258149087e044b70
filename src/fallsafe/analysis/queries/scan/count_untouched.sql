-- How many rows the log of orders has, and how many events of the whole log have no order.
SELECT
    (SELECT count(*) FROM {relation}) AS rows,
    (SELECT count(DISTINCT event_id) FROM {log}) - (SELECT count(DISTINCT event_id) FROM {relation}) AS untouched
