"""Cases: the managed state of a failure, several per order, with evidence and resolution (§2, §3)."""
