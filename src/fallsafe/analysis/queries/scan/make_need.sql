-- Which kinds of work a whole order has once it has this one, as a mask.
CREATE TABLE need AS
SELECT unnest($kind)::SMALLINT AS kind, unnest($needs)::BIGINT AS needs
