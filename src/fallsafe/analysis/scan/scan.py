"""A scan from beginning to end: open, recognize, read, learn, find, sum up.

Nothing is sent anywhere and nothing is written but to the scratch folder. What was understood, what was left out and
what was learned stand beside what was found, so that a wrong reading is seen and can be put right.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fallsafe.analysis.scan.find import Scene, found, found_in_all, iso, spoken, stamp
from fallsafe.analysis.scan.findings import Finding, Kind
from fallsafe.analysis.scan.kept import Kept
from fallsafe.analysis.scan.layout import Layout, Role, recognize
from fallsafe.analysis.scan.learn import UNKNOWN, Learned, learn, told_by
from fallsafe.analysis.scan.mapping import checked
from fallsafe.analysis.scan.meaning import BITS, Meaning
from fallsafe.analysis.scan.ocel import as_log
from fallsafe.analysis.scan.portions import Portions
from fallsafe.analysis.scan.profile import profiles
from fallsafe.analysis.scan.reading import ALWAYS, COLUMNS, File, form_in, kept_of, read_events, settled
from fallsafe.analysis.scan.standing import OpenOrder, Standing
from fallsafe.analysis.sources import Engine, LeftOut, Reading
from fallsafe.analysis.sql import listed, literal, statement
from fallsafe.core.events import Json
from fallsafe.core.policy.policy_set import PolicySet

FIRST = datetime(1970, 1, 2)  # noqa: DTZ001 safe because all times of the analysis are UTC without saying so
LAST = datetime(2100, 1, 1)  # noqa: DTZ001

Tell = Callable[[str, float], None]
"""Called with what is being done and how much of the whole is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for beyond the files: lines of a mapping, a policy set, the time to judge by."""

    mapping: Mapping[str, str] | None = None
    policy: PolicySet | None = None
    as_of: datetime | None = None
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True, slots=True)
class Scan:
    """The result, which can be asked for more while the engine is open. `findings` are by order, the worst first within
    one; `portions` gives the tables of any orders again.
    """

    scene: Scene
    portions: Portions
    files: tuple[File, ...]
    findings: Kept
    learned: Learned
    orders: int
    left_out: tuple[LeftOut, ...]
    understood: tuple[str, ...]
    unsure: tuple[str, ...]


class Nothing(Exception):
    """There is nothing to judge in the files; the sentence says why. `left_out` is what was not read."""

    def __init__(self, why: str, left_out: Sequence[LeftOut] = ()) -> None:
        super().__init__(why)
        self.left_out = tuple(left_out)


def scan(engine: Engine, places: Sequence[str], wanted: Wanted, tell: Tell = lambda what, share: None) -> Scan:
    """Scans files. Raises `Unreadable`, `Unrecognized` or `Nothing`, each with a sentence for people."""
    files = []
    for n, place in enumerate(places):
        tell(f"reading {place}", 0.4 * n / len(places))
        files.append(_opened(engine, place, wanted))
    tell("putting events in order", 0.4)
    meanings, unread = read_events(engine, files)
    scene, later = _seen(engine, files, meanings, wanted, unread)
    tell("learning what is usual", 0.6)
    portions = Portions(scene, next((f.layout.finish for f in files if f.layout.finish), ""))
    scene = portions.scene
    learned = _learned(scene, wanted)
    standing = Standing(learned, meanings, scene.as_of)
    kept, orders = Kept(engine.scratch), 0
    for share in portions:
        tell("looking for what is wrong", 0.65 + 0.3 * share)
        kept.add(found(scene))
        kept.add(_of_open_orders(scene, standing, learned))
        orders += portions.orders
    kept.add(found_in_all(scene))
    tell("summing up", 0.95)
    understood = tuple(_understood(files, scene, learned, standing))
    unsure = tuple(sentence for file in files for sentence in file.layout.unsure)
    return Scan(scene, portions, tuple(files), kept, learned, orders, (*unread, *later), understood, unsure)


def _opened(engine: Engine, place: str, wanted: Wanted) -> File:
    table = engine.read(place, wanted.reading)
    if table.format == "ocel":
        table = as_log(engine, table, wanted.mapping or {})
    if not table.rows:
        raise Nothing(f"{place} has no rows", table.left_out)
    columns = profiles(engine, table)
    checked(wanted.mapping or {}, table, frozenset(c.name for c in columns))
    return settled(engine, File(table, recognize(table, columns, wanted.mapping)))


def _seen(
    engine: Engine, files: Sequence[File], meanings: Sequence[Meaning], wanted: Wanted, left_out: Sequence[LeftOut]
) -> tuple[Scene, list[LeftOut]]:
    """What all events together show, once they are read; and what of them is later than what was asked for."""
    columns = kept_of(files)
    span = _span(engine, columns)
    if not span["n"]:
        raise Nothing("no row has both an order's number and a time", left_out)
    first, limit = _window(span["oldest"], span["newest"], span["early"], span["recent"])
    newest = _newest(engine, first, limit)
    as_of = wanted.as_of or newest
    has = frozenset(name for name in columns if span.get(name))
    scene = Scene(
        engine=engine,
        meanings=meanings,
        finish=UNKNOWN,
        events=span["n"],
        about_orders=span["about"],
        as_of=as_of,
        first=first,
        limit=max(limit, min(as_of, LAST)),
        due_day_only=bool(span["due_day_only"]),
        day_only=bool(span["day_only"]),
        naive=any(_is_naive(f.layout) for f in files),
        has=has,
        has_task_id="task_id" in has and _task_ids_tell(engine, meanings),
        is_table_of_orders=all(_is_table_of_orders(f.layout) for f in files),
    )
    _occurred(scene, span, min(as_of, limit), _local("e.ts", files), _local("one", files))
    if engine.connection.execute(statement("scan/any_occurred")).fetchone() is None:
        raise Nothing(f"nothing happened before {as_of:%Y-%m-%d %H:%M}", left_out)
    return scene, list(_later(scene, newest))


def _span(engine: Engine, columns: Sequence[str]) -> dict[str, Any]:
    counts = "".join(f", count({name}) AS {name}" for name in columns if name not in ALWAYS)
    due = "due" if "due" in columns else "NULL::TIMESTAMP"
    row = engine.connection.execute(statement("scan/span", counts=counts, due=due), {"first": FIRST, "last": LAST})
    names = [d[0] for d in row.description or ()]
    values = row.fetchone()
    assert values is not None
    return dict(zip(names, values, strict=True))


def _occurred(scene: Scene, span: Mapping[str, Any], last: datetime, local: str, local_one: str) -> None:
    """Makes `occurred`, all events that count with all that can be known of each, and how their times compare."""
    task = f"coalesce(e.task_id, {'e.item_id' if 'item_id' in scene.has else 'NULL'}, '')"
    made = {"item_id": "coalesce(e.item_id, '')", "task_id": task if scene.has_task_id else "''"}
    nothing = {"item_id": "''", "task_id": "''", "dated": "TRUE"}
    columns = [
        f"{made.get(name, f'e.{name}') if name in scene.has | ALWAYS else nothing.get(name, f'NULL::{kind}')} AS {name}"
        for name, kind in COLUMNS.items()
    ]
    clock = _clock(local) if scene.naive else "e.ts"
    everything = span["n"] == span["rows"] and span["oldest"] >= scene.first and span["newest"] <= last
    counts = "TRUE" if everything else f"e.ts BETWEEN {stamp(scene.first)} AND {stamp(last)}"
    gaps = {"columns": listed(columns), "clock": clock, "bits": str(BITS), "counts": counts}
    scene.engine.connection.execute(statement("scan/make_occurred", **gaps))
    naive = str(scene.naive).upper()
    scene.engine.connection.execute(statement("scan/make_surely_before", naive=naive, local=local_one))


def _window(oldest: datetime, newest: datetime, early: datetime, recent: datetime) -> tuple[datetime, datetime]:
    """Between when times are believed: what lies further outside than the files are long is a typing error."""
    length = max(recent - early, timedelta(days=400))
    return max(FIRST, early - length if oldest < early - length else oldest), min(
        LAST, recent + length if newest > recent + length else newest
    )


def _newest(engine: Engine, first: datetime, limit: datetime) -> datetime:
    row = engine.connection.execute(statement("scan/newest"), {"first": first, "limit": limit}).fetchone()
    assert row is not None and isinstance(row[0], datetime)
    return row[0]


def _task_ids_tell(engine: Engine, meanings: Sequence[Meaning]) -> bool:
    """Whether ids of tasks join the events of one task; one of its own on every event is the event's id."""
    kinds = {m.kind for m in meanings if m.kind}
    several = len({(m.kind, m.word) for m in meanings if m.kind}) > len(kinds)
    row = engine.connection.execute(statement("scan/count_task_ids")).fetchone()
    assert row is not None
    return not several or row[1] < 0.95 * row[0]


def _is_naive(layout: Layout) -> bool:
    columns = [*(c for r, c in layout.roles.items() if r is Role.TIME), *(c for _, c in layout.dates)]
    return any(form_in(layout, c).naive for c in columns)


def _clock(local: str) -> str:
    """The time that events are ordered by where times are local without saying so: one hour as one instant on the
    nights when it runs twice or not at all; the words of an order's life then say what came first.
    """
    hours = (
        f"(month({local}) IN (10, 11) AND hour({local}) IN (1, 2)) OR (month({local}) = 3 AND hour({local}) IN (2, 3))"
    )
    night = f"dayofweek({local}) = 0 AND ({hours})"
    return f"CASE WHEN {night} THEN date_trunc('hour', e.ts) ELSE e.ts END"


def _local(expression: str, files: Sequence[File]) -> str:
    """A time on the clocks of the place that the files are from, as far as they or a mapping say."""
    zone = next((f.layout.zone for f in files if f.layout.zone != "UTC"), "")
    return f"timezone({literal(zone)}, timezone('UTC', {expression}))" if zone else expression


def _is_table_of_orders(layout: Layout) -> bool:
    return not layout.is_log and not any(layout.has(r) for r in (Role.ITEM, Role.TASK, Role.TASK_ID, Role.PRODUCT))


def _learned(scene: Scene, wanted: Wanted) -> Learned:
    learned = learn(scene.engine, 86_400.0 if scene.day_only else 0.0)
    return told_by(wanted.policy, learned, scene.meanings) if wanted.policy is not None else learned


def _of_open_orders(scene: Scene, standing: Standing, learned: Learned) -> Iterator[Finding]:
    """What is to be said of orders that are neither finished nor stopped: without a reason, past their date, about to
    miss it.
    """
    for row in scene.rows("scan/open_orders"):
        due = row["due"]
        order = OpenOrder(**{name: value for name, value in row.items() if name != "due"})
        yield from standing.stuck([order])
        yield Finding(
            order.order_id, Kind.UNFINISHED, order.last_at, None,
            f"not finished by {scene.as_of:%Y-%m-%d %H:%M}; last: {scene.meanings[order.meaning].said}",
            {"lastEvent": scene.meanings[order.meaning].said, "lastAt": iso(order.last_at), "due": iso(due)},
        )  # fmt: skip
        if due is not None:
            yield from _against_its_date(scene, order, due, learned)


def _against_its_date(scene: Scene, order: OpenOrder, due: datetime, learned: Learned) -> Iterator[Finding]:
    until = due + timedelta(days=1) if scene.due_day_only else due
    facts: dict[str, Json] = {"due": iso(due)}
    if scene.as_of > until or (scene.due_day_only and scene.as_of >= until):
        over = scene.as_of - due
        reason = f"its date passed {spoken(over)} ago, and it is not finished"
        yield Finding(
            order.order_id, Kind.OVERDUE, due, None, reason, facts | {"overSeconds": int(over.total_seconds())},
            "not finished on the promised date",
        )  # fmt: skip
        return
    rest = learned.rests.get(order.mask)
    if rest is None:
        return
    likely = max(order.last_at + rest, scene.as_of)
    if likely >= until:
        reason = f"at the usual pace it is finished {spoken(likely - due)} after its date"
        yield Finding(
            order.order_id,
            Kind.AT_RISK,
            order.last_at,
            None,
            reason,
            facts | {"likely": iso(likely)},
            "slower than promised",
        )


def _later(scene: Scene, newest: datetime) -> Iterator[LeftOut]:
    if newest <= scene.as_of:
        return
    row = scene.engine.connection.execute(statement("scan/count_later"), {"as_of": scene.as_of, "limit": scene.limit})
    counted = row.fetchone()
    if counted and counted[0]:
        yield LeftOut(f"later than {scene.as_of:%Y-%m-%d %H:%M}, as of which was asked", counted[0])


def _understood(files: Sequence[File], scene: Scene, learned: Learned, standing: Standing) -> Iterator[str]:
    for file in files:
        yield from (f"{file.table.place}: {sentence}" for sentence in file.table.understood)
        kind = "a log of events" if file.layout.is_log else "a table of orders with their dates"
        parts = [f"{role.value} = {column.name}" for role, column in file.layout.roles.items()]
        parts += [f"{key} = {column.name}" for key, column in file.layout.dates]
        yield f"{file.table.place}: {kind}; {', '.join(parts)}"
    yield scene.finish.said
    if scene.naive and all(f.layout.zone == "UTC" for f in files):
        yield "times without an offset were taken as UTC; say zone in a mapping if they are local"
    taught = [m.name for m in scene.meanings if m.kind in learned.durations and m.kind not in learned.named]
    if taught:
        yield f"usual durations were learned for {', '.join(list(dict.fromkeys(taught))[:8])}"
    if learned.named:
        yield f"durations of {len(learned.named)} kinds of work are those of the policy set"
    if standing.unjudged:
        yield f"{standing.unjudged} unfinished orders could not be judged: too few others went on from where they are"


def as_utc(text: str) -> datetime:
    """A time that a person gave, as UTC without a zone. Raises `ValueError`."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo is not None else at
