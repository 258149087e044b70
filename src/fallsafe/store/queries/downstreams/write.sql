-- What became of a downstream, under its lock.
UPDATE downstreams SET (state, since, changed_at, why, failures, probes, canary, look_at, moves)
    = (%(state)s, %(since)s, %(changed_at)s, %(why)s, %(failures)s, %(probes)s, %(canary)s, %(look_at)s, %(moves)s) WHERE system = %(system)s
