"""Why an order or a task is frozen: a mark for each reason, with who froze it (`by`), why, until when, and for which
case. It stands still as long as one of them does, and whoever lets go of it sees them all.
"""

from collections.abc import Callable, Mapping, Sequence

from fallsafe.core.events import Json

PERSON, UPSTREAM, SUCCESSOR = "person", "upstream", "reorder"
"""By whom: somebody here, those who sell and want it changed, or another order that is to take its place."""

BLOCKED_BY = "blockedBy"
"""Which case keeps from charging what bears the mark, as long as it is open."""
Mark = Mapping[str, Json]
ALSO = "also"
"""Where the first mark of several names the others."""


def marks_of(frozen: Json) -> list[Mark]:
    """The marks of what is frozen, oldest first; none where it is not."""
    if not isinstance(frozen, Mapping) or not frozen:
        return []
    also = frozen.get(ALSO)
    first = {name: value for name, value in frozen.items() if name != ALSO}
    return [first, *(one for one in also if isinstance(one, Mapping))] if isinstance(also, list) else [first]


def frozen_by(marks: Sequence[Mark]) -> Json:
    """How marks are kept; None for none."""
    if not marks:
        return None
    more: list[Json] = [dict(one) for one in marks[1:]]
    return {**marks[0], ALSO: more} if more else dict(marks[0])


def with_mark(frozen: Json, mark: Mark) -> Json:
    """What is frozen, for one more reason; as it was where that is one already."""
    marks = marks_of(frozen)
    known = [one for one in marks if all(one.get(name) == mark.get(name) for name in ("by", "why", "case"))]
    return frozen if known else frozen_by([*marks, mark])


def without(frozen: Json, is_over: Callable[[Mark], bool]) -> Json:
    """What is left of it, where some of its reasons are over."""
    return frozen_by([one for one in marks_of(frozen) if not is_over(one)])
