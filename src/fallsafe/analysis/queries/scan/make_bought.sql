-- Who ordered when: of all orders that were not stopped, to see which were handed in twice.
CREATE TABLE bought (order_id VARCHAR, first_at TIMESTAMP, customer UBIGINT)
