"""Detection: signals from outcomes, silences, broken invariants and scans; evidence that something is wrong (§6)."""
