"""The promises as checks: one module a promise, each a sentence, used by the simulator, by crash tests, and by chaos.

A checker is a function `broken(seen) -> Iterator[Broken]` of a module `pN`. `Seen` (`promises.seen`) is what stands in
one database of some orders or of all, and what exists outside where that is known; a checker that needs something that
is not known here says nothing about it. The checkers read rows, records and bytes, and judge with rules of their own:
they never ask the code that they check.

    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        seen = read_seen(connection, now=..., policies={policy.id: policy})     # everything; `orders=[...]` for some
        seen = replace(seen, outside=OutsideSeen(by_object=judge.effects(home), by_key=judge.effects_by_key(home)))
        assert check(seen) == []
"""

from collections.abc import Iterable, Iterator

from fallsafe.simulator.promises import p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p12
from fallsafe.simulator.promises.seen import Broken, OrderSeen, OutsideSeen, Seen, read_seen

CHECKERS = {
    "P1": p1, "P2": p2, "P3": p3, "P4": p4, "P5": p5, "P6": p6, "P7": p7, "P8": p8, "P9": p9, "P10": p10, "P12": p12,
}  # fmt: skip

__all__ = ["CHECKERS", "Broken", "OrderSeen", "OutsideSeen", "Seen", "check", "read_seen"]


def check(seen: Seen, promises: Iterable[str] = CHECKERS) -> list[Broken]:
    """Everything that is broken, promise by promise."""
    return list(_each(seen, promises))


def _each(seen: Seen, promises: Iterable[str]) -> Iterator[Broken]:
    for name in promises:
        yield from CHECKERS[name].broken(seen)
