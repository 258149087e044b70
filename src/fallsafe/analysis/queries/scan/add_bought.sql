-- The orders that are judged at the moment, for make_bought.sql.
INSERT INTO bought
SELECT order_id, first_at, customer FROM ord WHERE customer IS NOT NULL AND stopped_at IS NULL
