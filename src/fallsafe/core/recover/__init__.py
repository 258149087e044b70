"""Recovery: what to do next with a failure (the matrix of §10), retries (§12), and finding out what happened (§11)."""
