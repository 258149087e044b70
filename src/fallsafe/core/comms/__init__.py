"""Communication: what may be said to the customer, on which evidence (§17)."""
