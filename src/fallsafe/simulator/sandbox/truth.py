"""What one system knows: the things that it made, those that it accepted and has yet to make, and the refusals that it
remembers.

All of it is rebuilt from the disk: `effects.jsonl` has one line for each real effect and nothing else, `notes.jsonl`
the
rest (accepted, rejected, refused for good, called back).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from fallsafe.core.events import Json
from fallsafe.simulator.sandbox.dialects import PROVISIONING, Asked, Kind, described
from fallsafe.simulator.sandbox.disk import EFFECTS, NOTES, BrokenFile, Disk, Line, read_lines

PENDING, REJECTED = "PENDING", "REJECTED"
FIRST_ID = 100_001


@dataclass(frozen=True, slots=True)
class Course:
    """How an accepted command goes on: when it ends and how, when and how often it is told (epoch seconds). `notice` is
    what is told of it before, `expected_at` the date that this gives.
    """

    ends_at: float
    call_back_at: float
    callbacks: int
    rejected: bool = False
    code: str = ""
    text: str = ""
    notice: str = ""
    expected_at: float = 0.0


@dataclass(slots=True)
class Held:
    """One thing that the system knows. `hidden_until` (epoch seconds) keeps it from look-ups, not from being real."""

    at: float
    kind: Kind
    asked: Asked
    id: str
    state: str
    hidden_until: float
    course: Course | None = None
    called_back: bool = False

    @property
    def real(self) -> bool:
        """Whether the effect exists."""
        return self.state not in (PENDING, REJECTED)

    def document(self) -> dict[str, Json]:
        """The thing as its system shows it."""
        shown = described(self.kind, self.asked, self.id, self.state)
        if self.state == REJECTED and self.course is not None:
            dialect = self.kind.dialect
            shown |= {dialect.code: self.course.code, dialect.text: self.course.text}
        return shown


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal that the system repeats for its key."""

    code: str
    text: str


def _nobody(_: Held) -> None:
    """Nobody waits for an effect."""


class Truth:
    """The memory of one process over its disk. `clock` gives epoch seconds; `heard` is told of each effect that happens
    in this life.
    """

    def __init__(self, disk: Disk, kinds: Iterable[Kind], clock: Callable[[], float]) -> None:
        self._disk = disk
        self._kinds = {kind.operation: kind for kind in kinds}
        self._clock = clock
        self._by_key: dict[tuple[str, str], Held] = {}
        self._by_object: dict[tuple[str, str], list[Held]] = {}
        self._by_id: dict[str, Held] = {}
        self._refused: dict[tuple[str, str], Refusal] = {}
        self._next_id = FIRST_ID
        self.effects_by_key: Counter[str] = Counter()
        self.effects_by_object: Counter[str] = Counter()
        self.heard: Callable[[Held], None] = _nobody
        self._rebuild()

    def by_key(self, kind: Kind, key: str) -> Held | None:
        """What the system made, or will make, under a key."""
        return self._by_key.get((kind.operation, key))

    def by_object(self, kind: Kind, about: str) -> Held | None:
        """What stands for an object: the newest that is not refused. An inventory knows nothing else; others show what
        they refused too.
        """
        every = self._by_object.get((kind.operation, about), [])
        standing = [held for held in every if held.state != REJECTED]
        return standing[-1] if standing else every[-1] if every and kind.dialect is not PROVISIONING else None

    def by_id(self, identity: str) -> Held | None:
        """What has this identity."""
        return self._by_id.get(identity)

    def refusal(self, kind: Kind, key: str) -> Refusal | None:
        """The refusal that is repeated for this key."""
        return self._refused.get((kind.operation, key))

    def unfinished(self) -> list[Held]:
        """What was accepted and still has to end or to be called back."""
        return [held for held in self._by_key.values() if held.course is not None and not _finished(held, held.course)]

    def make(self, kind: Kind, asked: Asked, hidden_until: float = 0.0) -> Held:
        """Makes a thing: one real effect."""
        held = self._hold(kind, asked, kind.state, hidden_until, None)
        self._effect(held)
        return held

    def accept(self, kind: Kind, asked: Asked, course: Course, hidden_until: float = 0.0) -> Held:
        """Takes a command on; the effect comes when its course ends."""
        held = self._hold(kind, asked, PENDING, hidden_until, course)
        self._disk.append(NOTES, {"what": "accepted", **_line(held), "course": _course_line(course)})
        return held

    def end(self, held: Held) -> None:
        """Ends the course of an accepted command: the effect happens, or the command is rejected."""
        if held.state != PENDING or held.course is None:
            return
        if held.course.rejected:
            held.state = REJECTED
            self._disk.append(NOTES, {"what": "rejected", **_name(held), "at": stamp(self._clock())})
        else:
            held.state = held.kind.state
            self._effect(held)

    def refuse(self, kind: Kind, asked: Asked, code: str, text: str, *, saved: bool) -> None:
        """Remembers a refusal: as the saved answer for its key, or as a command that is known to be rejected."""
        if saved:
            self._refused[kind.operation, asked.key] = Refusal(code, text)
            line: Line = {"what": "refused", "operation": kind.operation, "key": asked.key, "code": code, "text": text}
            self._disk.append(NOTES, {**line, "object": asked.object, "at": stamp(self._clock())})
        elif kind.calls_back:
            now = self._clock()
            self.end(self.accept(kind, asked, Course(now, now, 0, True, code, text)))

    def called_back(self, held: Held) -> None:
        """The result was told, or telling it was given up."""
        held.called_back = True
        self._disk.append(NOTES, {"what": "called_back", **_name(held), "at": stamp(self._clock())})

    def _hold(self, kind: Kind, asked: Asked, state: str, hidden_until: float, course: Course | None) -> Held:
        held = Held(self._clock(), kind, asked, f"{kind.id_prefix}-{self._next_id}", state, hidden_until, course)
        self._next_id += 1
        self._remember(held)
        return held

    def _remember(self, held: Held) -> None:
        self._by_key[held.kind.operation, held.asked.key] = held
        self._by_object.setdefault((held.kind.operation, held.asked.object), []).append(held)
        self._by_id[held.id] = held

    def _effect(self, held: Held) -> None:
        self._count(held)
        self._disk.append(EFFECTS, {**_line(held), "at": stamp(self._clock())})
        self.heard(held)

    def _count(self, held: Held) -> None:
        self.effects_by_key[held.asked.key] += 1
        self.effects_by_object[f"{held.kind.operation} {held.asked.object}"] += 1

    def _rebuild(self) -> None:
        for line in read_lines(self._disk.folder / NOTES):
            self._replay_note(line)
        for line in read_lines(self._disk.folder / EFFECTS):
            self._replay_effect(line)

    def _replay_note(self, line: Line) -> None:
        name = (str(line["operation"]), str(line["key"]))
        match str(line["what"]):
            case "accepted":
                self._replay_held(line, PENDING, _course(line["course"]))
            case "refused":
                self._refused[name] = Refusal(str(line["code"]), str(line["text"]))
            case "rejected":
                self._by_key[name].state = REJECTED
            case "called_back":
                self._by_key[name].called_back = True
            case other:
                raise BrokenFile(f"{self._disk.folder / NOTES}: a note of the unknown kind {other!r}")

    def _replay_effect(self, line: Line) -> None:
        held = self._by_key.get((str(line["operation"]), str(line["key"])))
        if held is None:
            held = self._replay_held(line, "", None)
        held.state = held.kind.state
        self._count(held)

    def _replay_held(self, line: Line, state: str, course: Course | None) -> Held:
        fields = cast(Mapping[str, Json], line["asked"])
        asked = Asked(str(line["key"]), str(line["object"]), fields)
        at, hidden_until = (float(cast(float, line[name])) for name in ("made", "hiddenUntil"))
        held = Held(at, self._kinds[str(line["operation"])], asked, str(line["id"]), state, hidden_until, course)
        self._next_id = max(self._next_id, int(held.id.rpartition("-")[2]) + 1)
        self._remember(held)
        return held


def stamp(at: float) -> str:
    """Epoch seconds as RFC 3339 in UTC, with microseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _finished(held: Held, course: Course) -> bool:
    return held.state != PENDING and (course.callbacks == 0 or held.called_back)


def _name(held: Held) -> dict[str, Json]:
    return {"operation": held.kind.operation, "key": held.asked.key, "object": held.asked.object}


def _line(held: Held) -> dict[str, Json]:
    times: dict[str, Json] = {"at": stamp(held.at), "made": held.at, "hiddenUntil": held.hidden_until}
    return {**times, **_name(held), "id": held.id, "asked": held.asked.fields}


def _course_line(course: Course) -> dict[str, Json]:
    return {
        "endsAt": course.ends_at, "callBackAt": course.call_back_at, "callbacks": course.callbacks,
        "rejected": course.rejected, "code": course.code, "text": course.text, "notice": course.notice,
        "expectedAt": course.expected_at,
    }  # fmt: skip


def _course(line: Json) -> Course:
    read = cast(Mapping[str, Json], line)
    return Course(
        float(cast(float, read["endsAt"])), float(cast(float, read["callBackAt"])), int(cast(int, read["callbacks"])),
        read["rejected"] is True, str(read["code"]), str(read["text"]), str(read["notice"]),
        float(cast(float, read["expectedAt"])),
    )  # fmt: skip
