"""What must be true after chaos, each in a sentence, with what broke it (P1, P2, P5)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.run import Seen
from tests.crash.seen import STEPS_AN_ORDER, effect_of, open_cases

SHOWN_MAX = 8


@dataclass(frozen=True)
class Verdict:
    """A sentence, and what speaks against it."""

    sentence: str
    against: tuple[str, ...]


def judged(seen: Seen) -> Iterator[Verdict]:
    """All sentences."""
    yield Verdict("nothing was lost: every order is there with its whole plan", tuple(_lost(seen)))
    yield Verdict("nothing was done twice", tuple(f"{e}: {n} times" for e, n in seen.effects.items() if n > 1))
    yield Verdict("every completed task has its effect", tuple(_without_effect(seen)))
    yield Verdict("every effect is of a task that is completed or that a person looks at", tuple(_unowned(seen)))
    yield Verdict("every order is final or says why it is not", tuple(_without_reason(seen)))
    yield Verdict("nothing moves any more", tuple(seen.still_busy))
    yield Verdict("everything live was to be looked at again, at every look", tuple(_gaps(seen)))
    findings = seen.audit.findings if seen.audit is not None else ()
    yield Verdict("the journal folds into the rows, and nothing was altered", tuple(str(f) for f in findings))
    yield Verdict("no checker of a promise found anything", tuple(seen.broken))
    yield Verdict("nothing else happened that should not", tuple(seen.surprises))
    yield Verdict("everything was back at work in time", tuple(seen.times.late()))


def _lost(seen: Seen) -> Iterator[str]:
    steps = Counter(task["order_name"] for task in seen.tasks)
    yield from (f"order {name} is gone" for name in seen.files.keys() - steps.keys())
    yield from (f"order {name} has {n} tasks" for name, n in steps.items() if n != STEPS_AN_ORDER)


def _without_effect(seen: Seen) -> Iterator[str]:
    done = (effect_of(task) for task in seen.tasks if task["state"] == "completed")
    yield from (effect for effect in done if not seen.effects.get(effect))


def _unowned(seen: Seen) -> Iterator[str]:
    known = {effect_of(t) for t in seen.tasks if t["state"] == "completed" or open_cases(seen.files[t["order_name"]])}
    yield from sorted(set(seen.effects) - known)


def _without_reason(seen: Seen) -> Iterator[str]:
    for name, file in seen.files.items():
        progress = file["progress"]
        if file["order"]["state"] != "completed" and not (progress["verdict"] == "reason" and open_cases(file)):
            yield f"{name} is {file['order']['state']}: {progress}"


def _gaps(seen: Seen) -> Iterator[str]:
    yield from (f"{tick.gaps[:3]}" for tick in seen.ticks if tick.gaps)
    if (seen.coverage["percent"], seen.coverage["gaps"]) != (100, 0):
        yield f"the API says {seen.coverage}"
