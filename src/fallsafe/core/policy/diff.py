"""What one policy set has that another has not, in words: which rule, contract, plan, code, and from when it counts.

It compares what the files say, by the names that things have in them, so that an entry that only moved is no change.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fallsafe.core.events import Json

SHOWN_MAX = 60
"""How much of a value is repeated in words."""
NAMES = ("id", "name", "step", "what", "sentence", "offer", "method")
"""By what the elements of a list are known again."""


class Counts(StrEnum):
    """From when a change counts (model rule 9)."""

    AT_ONCE = "at_once"  # triage, ownership, times and messages of every order
    WHEN_PLANNED = "when_planned"  # for orders planned from then on, and for those that are moved


class Turn(StrEnum):
    """What became of a thing."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One value: where it stands in the thing, what it was and what it is, both in words (empty: it is not there).
    `element` says that it is one of a list.
    """

    at: str
    was: str
    now: str
    element: bool = False

    @property
    def sentence(self) -> str:
        """In words."""
        if self.element:
            return f"{'gains' if self.now else 'loses'} {self.now or self.was} in {self.at}"
        return f"{self.at} was {self.was or 'not there'}, is {self.now or 'gone'}".strip()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is another: `kind` is the file, `thing` its word for people, `name` its name."""

    kind: str
    thing: str
    name: str
    turn: Turn
    counts: Counts
    differences: tuple[Difference, ...] = ()

    @property
    def sentence(self) -> str:
        """In words, for example "contract BIL.createAccount: key_lives was PT24H, is PT48H"."""
        if self.turn is not Turn.CHANGED:
            return f"{self.thing} {self.name} is {'new' if self.turn is Turn.ADDED else 'gone'}"
        return f"{self.thing} {self.name}: {'; '.join(d.sentence for d in self.differences)}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A section of a file: its key, the word for one of its entries, and how entries of a list are named."""

    section: str
    thing: str
    named: Callable[[Mapping[str, Json]], str] | None = None


def _by(*fields: str) -> Callable[[Mapping[str, Json]], str]:
    return lambda entry: " × ".join(str(entry.get(field, "")) for field in fields)


AT_ONCE = frozenset(
    {"classification", "codes", "severity", "ownership", "messages", "actions", "holidays", "approvals"}
)
KINDS: Mapping[str, tuple[Kind, ...]] = {
    "systems": (Kind("systems", "system"),),
    "operations": (Kind("operations", "contract"), Kind("queries", "look-up"), Kind("common", "common reading of")),
    "task_types": (Kind("task_types", "task type"), Kind("anchors", "anchor")),
    "undo": (Kind("undo", "undo"),),
    "offers": (Kind("offers", "offer"),),
    "plans": (Kind("plans", "plan", _by("offer", "action")),),
    "retry": (Kind("policies", "retry policy"), Kind("task_types", "retry of task type")),
    "classification": (Kind("rules", "rule", _by("id")), Kind("fallback", "fallback rule")),
    "codes": (Kind("sla", "row of times"), Kind("codes", "code")),
    "severity": (
        Kind("levels", "level"), Kind("factors", "factor", _by("name")), Kind("floors", "floor", _by("sentence")),
    ),
    "ownership": (Kind("groups", "team"),),
    "messages": (Kind("messages", "message"), Kind("defaults", "message where no code decides, for")),
    "actions": (Kind("actions", "repair action"),),
    "approvals": (Kind("approvals", "approval", _by("what")),),
    "limits": (Kind("limits", "limit"),),
    "holidays": (Kind("holidays", "holiday"),),
    "calendars": (Kind("calendars", "calendar"), Kind("windows", "window"), Kind("cut_offs", "cut-off")),
}  # fmt: skip


def diff(was: Mapping[str, Json], now: Mapping[str, Json]) -> tuple[Change, ...]:
    """The changes from one set to another, both as the parsed files by kind, in the order of the kinds."""
    return tuple(
        change
        for kind, sections in KINDS.items()
        for section in sections
        for change in _section(kind, section, _entries(was, kind, section), _entries(now, kind, section))
    )


def _entries(files: Mapping[str, Json], kind: str, section: Kind) -> dict[str, Json]:
    """The entries of a section by name."""
    file = files.get(kind)
    found = file.get(section.section) if isinstance(file, Mapping) else None
    if isinstance(found, Mapping):
        alone = section.section == "fallback"
        return {str(found.get("id", "")): found} if alone else {str(name): entry for name, entry in found.items()}
    if not isinstance(found, list):
        return {}
    named = section.named
    return {named(e) if named is not None and isinstance(e, Mapping) else str(e): e for e in found}


def _section(kind: str, section: Kind, was: Mapping[str, Json], now: Mapping[str, Json]) -> Iterator[Change]:
    counts = Counts.AT_ONCE if kind in AT_ONCE else Counts.WHEN_PLANNED
    for name in dict.fromkeys([*was, *now]):
        if name not in now:
            yield Change(kind, section.thing, name, Turn.REMOVED, counts)
        elif name not in was:
            yield Change(kind, section.thing, name, Turn.ADDED, counts)
        elif found := tuple(_differences("", was[name], now[name])):
            yield Change(kind, section.thing, name, Turn.CHANGED, counts, found)


def _differences(at: str, was: Json, now: Json) -> Iterator[Difference]:
    if was == now:
        return
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*was, *now]):
            yield from _differences(f"{at} {key}".strip(), was.get(key), now.get(key))
    elif isinstance(was, list) and isinstance(now, list):
        yield from _of_lists(at, was, now)
    else:
        yield Difference(at, "" if was is None else _words(was), "" if now is None else _words(now))


def _of_lists(at: str, was: Sequence[Json], now: Sequence[Json]) -> Iterator[Difference]:
    before, after = _named(was), _named(now)
    if before is None or after is None:
        before, after = {_words(e): e for e in was}, {_words(e): e for e in now}
        if before.keys() == after.keys():
            yield Difference(at, _words([*was]), _words([*now]))
            return
    for name in dict.fromkeys([*before, *after]):
        if name not in after or name not in before:
            gone = name in before
            said = _entry(name, before[name] if gone else after[name])
            yield Difference(at, said if gone else "", "" if gone else said, element=True)
        else:
            yield from _differences(f"{at} {name}".strip(), before[name], after[name])
    if [n for n in before if n in after] != [n for n in after if n in before]:
        yield Difference(f"order of {at}".strip(), ", ".join(before), ", ".join(after))


def _named(entries: Sequence[Json]) -> dict[str, Json] | None:
    """The elements of a list by their names, where each has one of its own."""
    field = next((n for n in NAMES if all(isinstance(e, Mapping) and n in e for e in entries)), None)
    if field is None:
        return None
    found: dict[str, Json] = {str(e[field]): e for e in entries if isinstance(e, Mapping)}
    return found if len(found) == len(entries) else None


def _entry(name: str, entry: Json) -> str:
    """An element that came or went: a step says after what, others their name or themselves."""
    if not isinstance(entry, Mapping):
        return name
    after = entry.get("after")
    return f"{name} after {', '.join(map(str, after))}" if isinstance(after, list) and after else name


def _words(value: Json) -> str:
    match value:
        case bool():
            said = "true" if value else "false"
        case list():
            said = "[" + ", ".join(_words(each) for each in value) + "]"
        case Mapping():
            said = "{" + ", ".join(f"{key}: {_words(each)}" for key, each in value.items()) + "}"
        case "":
            said = '""'
        case _:
            said = str(value)
    return said if len(said) <= SHOWN_MAX else f"{said[: SHOWN_MAX - 1]}…"
