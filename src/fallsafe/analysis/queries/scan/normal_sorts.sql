-- The sorts of cases that are normal by one rule.
SELECT sort FROM normal WHERE rule = {rule}
