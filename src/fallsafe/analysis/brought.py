"""What an analysis hands to a running installation: the orders that it found something about, and each thing found.

Both are plain values in the terms of the doors `/reports` and `/signals`. What is found about one thing has one name
whenever it is found again, so that a newer export is compared with what an older one said.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SAID_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Found:
    """One thing wrong with one order. `about` is whatever else tells it from others of its kind in the same order;
    `item` and `step` are empty where it is about the order as a whole.
    """

    order_id: str
    kind: str
    said: str
    since: datetime | None = None
    item: str = ""
    step: str = ""
    about: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called in every export that shows it."""
        return f"{self.kind}/{_digest([self.order_id, self.kind, self.item, self.step, self.about])}"


def named(findings: Sequence[Found]) -> dict[str, Found]:
    """Findings by their names; the same thing found twice is one."""
    first: dict[str, Found] = {}
    for found in findings:
        first.setdefault(found.name, found)
    return first


def print_of(content: Mapping[str, Any]) -> str:
    """What tells one state of an order from another."""
    return _digest(content)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:20]
