-- Which sorts of cases may break which rule.
CREATE TABLE normal (rule VARCHAR, sort VARCHAR)
