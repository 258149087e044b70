"""Detection: signals from outcomes, silences, broken invariants and scans; evidence that something may be wrong (§6)."""
