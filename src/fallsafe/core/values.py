"""Frozen values made of the values of their fields, and made of another one with some fields changed: what their
class and `dataclasses.replace` give, at a fourth of the price.

Every move of a command, a task or an order is such a change, so its price is a good part of what a task costs.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import replace as replace

    def made(kind: type[T], values: Iterable[Any]) -> T:
        """A value of a kind from those of its fields, in their order."""

else:
    from collections import deque
    from dataclasses import fields
    from functools import cache
    from itertools import repeat
    from operator import attrgetter, call

    @cache
    def _slots(kind):
        names = [each.name for each in fields(kind)]
        setters = [getattr(kind, name).__set__ for name in names]
        get = attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)
        return get, setters, dict(zip(names, setters, strict=True))

    def made(kind, values):
        """A value of a kind from those of its fields, in their order."""
        new = object.__new__(kind)
        deque(map(call, _slots(kind)[1], repeat(new), values), 0)
        return new

    def replace(value, /, **changes):
        """A new value of the same kind. Raises TypeError for a field that it does not have."""
        get, _, by_name = _slots(type(value))
        changed = made(type(value), get(value))
        for name, to in changes.items():
            if name not in by_name:
                raise TypeError(f"{type(value).__name__} has no field {name!r}")
            by_name[name](changed, to)
        return changed
