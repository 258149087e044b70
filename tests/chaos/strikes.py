"""What can go wrong while chaos reigns: which strikes there are, whom they hit, and how long they last."""

import random
from collections.abc import Collection
from dataclasses import dataclass

from tests.chaos.world import DATABASE, HALTED_SECONDS_MAX, LEASE_SECONDS, OUR_OWN, OUTSIDE

PROCESSES = (*OUR_OWN, *OUTSIDE, DATABASE)
LINKS = tuple(f"link to {name}" for name in (DATABASE, *OUTSIDE))


@dataclass(frozen=True)
class Kind:
    """A way of going wrong: whom it can hit, how often beside the others, and its seconds (0, 0: a moment)."""

    name: str
    victims: tuple[str, ...]
    weight: int
    seconds: tuple[float, float] = (0.0, 0.0)


KINDS = (
    Kind("killed", PROCESSES, 10),
    Kind("halted", PROCESSES, 5, (LEASE_SECONDS + 1, HALTED_SECONDS_MAX)),
    Kind("session killed", (DATABASE,), 1),
    Kind("connections reset", LINKS, 3),
    Kind("slow", LINKS, 2, (2.0, 6.0)),
    Kind("torn", LINKS, 2, (0.5, 2.0)),
    Kind("silent", LINKS, 2, (1.0, HALTED_SECONDS_MAX - 2)),
    Kind("refusing", LINKS, 2, (0.5, 3.0)),
)


@dataclass(frozen=True)
class Strike:
    """One thing that goes wrong."""

    kind: str
    victim: str
    seconds: float

    def __str__(self) -> str:
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.victim} is {self.kind}{lasts}" if " " not in self.kind else f"{self.victim}: {self.kind}{lasts}"


def draw(dice: random.Random, spared: Collection[str]) -> Strike | None:
    """The next strike; None when everybody whom it could hit is down already."""
    kind = dice.choices(KINDS, [k.weight for k in KINDS])[0]
    free = [victim for victim in kind.victims if victim not in spared]
    if not free:
        return None
    return Strike(kind.name, dice.choice(free), round(dice.uniform(*kind.seconds), 2))
