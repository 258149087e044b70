-- Everything that happened to some of the orders, to be judged at once.
CREATE {form} happened AS
SELECT * EXCLUDE (slot)
FROM occurred
WHERE {which}
