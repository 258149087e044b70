-- Whether a case is of a sort that may not break the rule.
sort::VARCHAR NOT IN (SELECT sort FROM normal WHERE rule = {rule})
