"""A frozen value with some of its fields changed: what `dataclasses.replace` gives, at a fourth of its price.

Every move of a command, a task or an order is such a change, so its price is a good part of what a task costs.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import replace as replace
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

    def replace(value, /, **changes):
        """A new value of the same kind. Raises TypeError for a field that it does not have."""
        get, setters, by_name = _slots(type(value))
        made = object.__new__(type(value))
        deque(map(call, setters, repeat(made), get(value)), 0)
        for name, to in changes.items():
            if name not in by_name:
                raise TypeError(f"{type(value).__name__} has no field {name!r}")
            by_name[name](made, to)
        return made
