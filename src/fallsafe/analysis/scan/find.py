"""Runs what is to be found: one statement for each kind of finding, over all orders at once, with a sentence a row."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from fallsafe.analysis.scan.findings import Finding, Kind
from fallsafe.analysis.scan.learn import Finish
from fallsafe.analysis.scan.meaning import Meaning
from fallsafe.analysis.scan.words import Word
from fallsafe.analysis.sources import Engine
from fallsafe.analysis.sql import literal, statement
from fallsafe.core.events import Json

SAME_ORDER_WITHIN = "15 minutes"
NORMAL_SHARES = {
    "wrong_order": 0.5, "gone_back": 0.5, "state_against_dates": 0.5, "after_end": 0.5, "done_twice": 0.1,
    "unlike_rows": 0.2, "same_rows": 0.2,
}  # fmt: skip
"""The share of cases beyond which to break a rule is how this business works, or how its files are written."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """What the statements need to know of the files: which attributes there are, the window of possible times, how
    dates and orders end, whether times are coarse or without a zone. The tables `happened`, `task` and `ord` have the
    orders that were taken last.
    """

    engine: Engine
    meanings: Sequence[Meaning]
    finish: Finish
    events: int
    about_orders: int
    as_of: datetime
    first: datetime
    limit: datetime
    due_day_only: bool
    day_only: bool
    naive: bool
    has: frozenset[str]
    has_task_id: bool
    is_table_of_orders: bool

    def rows(self, name: str, **gaps: str) -> Iterator[Row]:
        """The rows of a statement."""
        cursor = self.engine.connection.cursor().execute(statement(name, **gaps))
        names = [d[0] for d in cursor.description or ()]
        while block := cursor.fetchmany(10_000):
            yield from (dict(zip(names, row, strict=True)) for row in block)

    def breaking(self, rule: str) -> Iterator[Row]:
        """The cases of a rule that break it, where that is not normal."""
        if self._asks(rule):
            unusual = statement("scan/unusual", rule=literal(rule))
            yield from self.rows(f"scan/find_{rule}", cases=self._cases(rule), unusual=unusual)

    def learn_normal(self) -> None:
        """Which rules are broken so often by the orders at hand that it means nothing."""
        self.engine.connection.execute(statement("scan/make_normal"))
        for rule, share in NORMAL_SHARES.items():
            if self._asks(rule):
                gaps = {"rule": literal(rule), "cases": self._cases(rule), "share": str(share)}
                self.engine.connection.execute(statement("scan/learn_normal", **gaps))

    def _cases(self, rule: str) -> str:
        kinds = ", ".join(map(str, sorted(self._finite)))
        return statement(f"scan/cases_{rule}", has_task_id=str(self.has_task_id).upper(), kinds=kinds)

    def _asks(self, rule: str) -> bool:
        return {"unlike_rows": self.is_table_of_orders, "done_twice": bool(self._finite)}.get(rule, True)

    @property
    def _finite(self) -> set[int]:
        """Kinds of work that end; of notes there can be any number."""
        return {m.kind for m in self.meanings if m.kind and m.word is Word.COMPLETED and not _is_note(m)}


def found(scene: Scene) -> Iterator[Finding]:
    """Everything that statements alone can find about the orders at hand."""
    for find in _FINDERS:
        yield from find(scene)


def found_in_all(scene: Scene) -> Iterator[Finding]:
    """What shows only where all orders are seen together."""
    yield from _same_orders(scene)
    yield from _outside(scene)


def _late(scene: Scene) -> Iterator[Finding]:
    if "due" not in scene.has:
        return
    grace = "1 DAY" if scene.due_day_only else "0 SECONDS"
    for row in scene.rows("scan/find_late", grace=grace):
        late = row["finished_at"] - row["due"]
        facts: dict[str, Json] = {
            "due": iso(row["due"]),
            "finished": iso(row["finished_at"]),
            "lateSeconds": int(late.total_seconds()),
        }
        reason = f"finished {spoken(late)} after its date, {day(row['due'], scene.due_day_only)}"
        yield Finding(row["order_id"], Kind.LATE, row["due"], None, reason, facts, "finished after the promised date")


def _price_differs(scene: Scene) -> Iterator[Finding]:
    if "listed" not in scene.has:
        return
    for row in scene.rows("scan/find_price_differs"):
        facts: dict[str, Json] = {"sold": row["sold"], "catalog": row["listed"], "item": row["item_id"] or None}
        reason = f"sold at {row['sold']:g}, the catalog has {row['listed']:g}"
        higher = "above" if row["sold"] > row["listed"] else "below"
        task = row["task_id"] or row["item_id"] or None
        yield Finding(
            row["order_id"], Kind.PRICE_DIFFERS, row["since"], task, reason, facts, f"sold {higher} the catalog's price"
        )


def _discontinued(scene: Scene) -> Iterator[Finding]:
    if "discontinued" not in scene.has:
        return
    for row in scene.rows("scan/find_discontinued"):
        what = row["product"] or row["item_id"] or row["task_id"] or "a line"
        facts: dict[str, Json] = {"item": row["item_id"] or None, "product": row["product"]}
        reason = f"{what} is a product that is no longer sold"
        task = row["task_id"] or row["item_id"] or None
        yield Finding(row["order_id"], Kind.DISCONTINUED, row["since"], task, reason, facts, "product no longer sold")


def _contradictory(scene: Scene) -> Iterator[Finding]:
    seen = set[str]()
    for finding in (*_wrong_order(scene), *_work_after_end(scene), *_gone_back(scene), *_state_against_dates(scene)):
        if finding.order_id not in seen:
            seen.add(finding.order_id)
            yield finding


def _wrong_order(scene: Scene) -> Iterator[Finding]:
    for row in scene.breaking("wrong_order"):
        earlier, later = row["earlier"], row["later"]
        facts: dict[str, Json] = {later: iso(row["later_at"]), earlier: iso(row["earlier_at"])}
        gap = spoken(row["earlier_at"] - row["later_at"])
        reason = f"{later} {gap} before it was {earlier}"
        yield Finding(
            row["order_id"], Kind.CONTRADICTORY, row["later_at"], None, reason, facts, f"{later} before {earlier}"
        )


def _work_after_end(scene: Scene) -> Iterator[Finding]:
    judged = after_end(scene)
    if not judged:
        return
    last = [m for m in scene.meanings if m.no in scene.finish.meanings]
    known = scene.finish.explicit or any(m.step >= 3 for m in last)
    gaps = {"meanings": ", ".join(map(str, sorted(judged))), "ends": "TRUE" if known else "stopped_at IS NOT NULL"}
    for row in scene.rows("scan/find_work_after_end", **gaps):
        how = "stopped" if row["stopped"] else "finished"
        meaning = scene.meanings[row["meaning"]]
        what = f"{meaning.name}: {meaning.raw}" if meaning.raw else meaning.name
        facts: dict[str, Json] = {"ended": iso(row["ended_at"]), "event": what, "taskType": meaning.name}
        reason = f"{what} {spoken(row['ts'] - row['ended_at'])} after the order was {how}"
        cause = f"{meaning.name} goes on after the order was {how}"
        yield Finding(row["order_id"], Kind.CONTRADICTORY, row["ts"], row["task_id"] or None, reason, facts, cause)


def _gone_back(scene: Scene) -> Iterator[Finding]:
    names = {m.kind: m.name for m in scene.meanings}
    for row in scene.breaking("gone_back"):
        what = names.get(row["kind"], "order")
        facts: dict[str, Json] = {"was": iso(row["was_at"]), "back": iso(row["since"]), "taskType": what}
        reason = f"the state of {what} went back, {spoken(row['since'] - row['was_at'])} after it had been further"
        task = row["task_id"] if row["kind"] else None
        yield Finding(
            row["order_id"], Kind.CONTRADICTORY, row["since"], task, reason, facts, f"the state of {what} goes back"
        )


def _state_against_dates(scene: Scene) -> Iterator[Finding]:
    for row in scene.breaking("state_against_dates"):
        state = Word(row["state"]).name.lower()
        facts: dict[str, Json] = {"state": state, "date": iso(row["since"])}
        reason = f"its state is {state}, and its dates say that it was out on {row['since']:%Y-%m-%d}"
        yield Finding(
            row["order_id"], Kind.CONTRADICTORY, row["since"], None, reason, facts, "the state disagrees with the dates"
        )


def _duplicate(scene: Scene) -> Iterator[Finding]:
    twice = set[str]()
    for row in scene.breaking("same_rows"):
        twice.add(row["order_id"])
        facts: dict[str, Json] = {"copies": row["copies"]}
        reason = f"the same row is there {row['copies']} times"
        cause = "rows exported more than once"
        yield Finding(row["order_id"], Kind.DUPLICATE, row["since"], row["task_id"], reason, facts, cause)
    yield from (f for f in (*_done_twice(scene), *_unlike_rows(scene)) if f.order_id not in twice)


def _done_twice(scene: Scene) -> Iterator[Finding]:
    names = {m.kind: m.name for m in scene.meanings}
    for row in scene.breaking("done_twice"):
        name = names[row["kind"]]
        tasks = [t for t in dict.fromkeys(row["tasks"]) if t]
        facts: dict[str, Json] = {"times": row["times"], "tasks": list[Json](tasks), "taskType": name}
        reason = f"{name} was done {row['times']} times"
        yield Finding(
            row["order_id"],
            Kind.DUPLICATE,
            row["since"],
            tasks[-1] if tasks else None,
            reason,
            facts,
            f"{name} done twice",
        )


_NOTES = ("note", "comment", "update", "change", "call", "mail", "check", "remind", "log", "view", "print")


def _is_note(meaning: Meaning) -> bool:
    return any(word in meaning.name.lower() for word in _NOTES)


def _unlike_rows(scene: Scene) -> Iterator[Finding]:
    for row in scene.breaking("unlike_rows"):
        reason = f"the order stands in {row['rows']} rows that do not agree"
        facts: dict[str, Json] = {"rows": row["rows"]}
        yield Finding(row["order_id"], Kind.DUPLICATE, row["since"], None, reason, facts, "orders with several rows")


def _same_orders(scene: Scene) -> Iterator[Finding]:
    if not {"customer", "product"} <= scene.has or scene.day_only:
        return
    for row in scene.rows("scan/find_same_orders", within=SAME_ORDER_WITHIN):
        gap = spoken(row["created"] - row["earlier_created"])
        facts: dict[str, Json] = {"twin": row["earlier"], "customer": row["customer"]}
        reason = f"the same customer ordered the same {gap} before, as {row['earlier']}"
        yield Finding(
            row["order_id"], Kind.DUPLICATE, row["created"], None, reason, facts, "the same order handed in twice"
        )


def _ping_pong(scene: Scene) -> Iterator[Finding]:
    if "team" not in scene.has:
        return
    for row in scene.rows("scan/find_ping_pong"):
        teams = [a for a, b in pairwise([*row["teams"], None]) if a != b]
        name = scene.meanings[row["meaning"]].name
        facts: dict[str, Json] = {"groups": list[Json](teams), "handOvers": len(teams) - 1, "taskType": name}
        pair = " and ".join(sorted(set(teams))[:3])
        reason = f"{name} was handed over {len(teams) - 1} times between {pair}"
        yield Finding(
            row["order_id"],
            Kind.PING_PONG,
            row["since"],
            row["task_id"] or None,
            reason,
            facts,
            f"to and fro between {pair}",
        )


def _reopened(scene: Scene) -> Iterator[Finding]:
    names = {m.kind: m.name for m in scene.meanings}
    for row in scene.rows("scan/find_reopened"):
        what = names.get(row["kind"], "order")
        facts: dict[str, Json] = {"finished": iso(row["was_at"]), "taskType": what}
        reason = f"{what} was reopened on {row['since']:%Y-%m-%d %H:%M}"
        yield Finding(row["order_id"], Kind.REOPENED, row["since"], row["task_id"], reason, facts, f"{what} reopened")


def _impossible(scene: Scene) -> Iterator[Finding]:
    for row in scene.rows("scan/find_impossible"):
        said = scene.meanings[row["meaning"]].said
        reason = f"{said}: ended {spoken(row['other'] - row['since'])} before it began"
        yield _impossible_time(row, reason, {"began": iso(row["other"]), "ended": iso(row["since"])})


def _outside(scene: Scene) -> Iterator[Finding]:
    task = "nullif(task_id, '')" if "task_id" in scene.has else "NULL"
    for row in scene.rows("scan/find_outside", task=task, first=stamp(scene.first), limit=stamp(scene.limit)):
        said = scene.meanings[row["meaning"]].said
        reason = f"{said} on {row['since']:%Y-%m-%d}, far from all other times of the files"
        yield _impossible_time(row, reason, {"time": iso(row["since"])})


def _impossible_time(row: Row, reason: str, facts: Mapping[str, Json]) -> Finding:
    order, since, task = row["order_id"], row["since"], row["task_id"]
    return Finding(order, Kind.IMPOSSIBLE_TIME, since, task, reason, facts, "times that cannot be right")


def after_end(scene: Scene) -> frozenset[int]:
    """The phrases that speak of work, and that are not to be heard of an order that is over."""
    normal = {row["sort"] for row in scene.rows("scan/normal_sorts", rule=literal("after_end"))}
    return frozenset(
        m.no
        for m in scene.meanings
        if m.kind and m.word in _WORK and m.no not in scene.finish.meanings and str(m.no) not in normal
    )


_WORK = frozenset({Word.STARTED, Word.WAITING, Word.FAILED, Word.SHIPPED, Word.COMPLETED})
_FINDERS: tuple[Callable[[Scene], Iterable[Finding]], ...] = (
    _late,
    _contradictory,
    _duplicate,
    _ping_pong,
    _reopened,
    _price_differs,
    _discontinued,
    _impossible,
)


def iso(at: datetime | None) -> str | None:
    """A time as the doors write it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at is not None else None


def stamp(at: datetime) -> str:
    """A time as SQL writes it."""
    return f"TIMESTAMP {literal(at.isoformat(sep=' '))}"


def day(at: datetime, day_only: bool) -> str:
    """A date for a sentence."""
    return f"{at:%Y-%m-%d}" if day_only else f"{at:%Y-%m-%d %H:%M}"


def spoken(took: timedelta) -> str:
    """A length of time for a sentence, in the two greatest units that matter."""
    seconds = abs(int(took.total_seconds()))
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds / size
            text = f"{number:.1f}".removesuffix(".0") if number < 10 else f"{number:.0f}"
            return f"{text} {name}{'' if text == '1' else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
