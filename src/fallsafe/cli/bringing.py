"""Brings what an analysis found into a running installation: the orders as watched ones, each thing found as a signal
about one of them. Nothing is brought twice, and what a newer export no longer shows is taken back, so that it heals.

What is not in the files any more proves nothing: that stands, and is counted.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import typer

from fallsafe.analysis.brought import Found, print_of
from fallsafe.cli.client import Client, fail
from fallsafe.core.cases.case import OPEN_CASE_STATES

NAMES_AT_ONCE = 50
ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 2_000_000
SOURCE_LENGTH_MAX = 40
NEXT_EXPORT_WITHIN = timedelta(days=30)
"""So long may an unfinished order be silent before somebody looks at it."""
REASONS_MAX = 5
LOOKED_AT = "received,standing,candidate,unmatched,withdrawn"
ONE_TICK = timedelta(microseconds=1)
SAME_EXPORT = timedelta(seconds=1)
FIRST_YEAR = 1970
OPEN, OVER = {"state": "in_progress"}, {"state": "completed"}

Tell = Callable[[str, float], None]
Row = Mapping[str, Any]


class Evidence(Protocol):
    """What an analysis has to offer."""

    @property
    def by(self) -> str:
        """Which analysis: `scan` or `reconcile`."""

    @property
    def as_of(self) -> datetime:
        """As of when it was so, in UTC."""

    @property
    def looked(self) -> int:
        """How many orders were judged."""

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that were looked for; what stands of others is left alone."""

    @property
    def found(self) -> Mapping[str, Found]:
        """What was found, by its name."""

    def judged(self, orders: Iterable[str]) -> frozenset[str]:
        """Those of the orders of which the files say where they stand."""

    def reports(self, orders: Sequence[str], ended: frozenset[str], known: Mapping[str, Row]) -> Iterator[Row]:
        """What is to be reported of these orders. `ended` are those of which nothing stands any more, `known` has what
        was reported before.
        """


@dataclass(slots=True)
class Brought:
    """What came of it. `settled` are things that people have dealt with since the files were written, or withdrawn:
    they are not raised again. `absent` ones stand, since the files no longer have their orders.
    """

    source: str
    reported: int = 0
    unchanged: int = 0
    raised: int = 0
    standing: int = 0
    ended: int = 0
    settled: int = 0
    absent: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As it stands in the result."""
        return asdict(self)


def checked_source(source: str) -> str:
    """A name that a source can have, else the command ends."""
    if not 0 < len(source) <= SOURCE_LENGTH_MAX or "/" in source or not source.isprintable():
        fail(f"--source {source!r}: use 1 to {SOURCE_LENGTH_MAX} letters without a slash", 2)
    return source


def reach(source: str) -> Client:
    """The installation that is to take it, before any work is done; the command ends where none answers."""
    from fallsafe.cli.client import client

    there = client()
    there.get("/signals", source=checked_source(source), limit=1)
    return there


class Bringing:
    """Brings the findings about the orders of one system."""

    def __init__(self, there: Client, source: str, evidence: Evidence, tell: Tell) -> None:
        self._there, self._source, self._evidence, self._tell = there, source, evidence, tell
        self._seen_by = f"{source}.{evidence.by}"
        self._done = Brought(source)

    def bring(self) -> Brought:
        """All of it; each step can be done again at any time."""
        self._tell("asking what stands", 0.0)
        new, over, touched = self._compared(self._standing())
        known = self._known(sorted(touched))
        self._refuse_older(known)
        stands = {found.order_id for found in self._evidence.found.values()}
        theirs = [name for name in sorted(touched) if _is_watched(known.get(name))]
        reports = list(self._evidence.reports(theirs, frozenset(touched - stands), known))
        self._done.unchanged = len(theirs) - len(reports)
        self._done.reported, before = self._send("/reports", "reports", "orders", reports, {"source": self._source})
        self._done.unchanged += before
        raised = [self._raised(found) for found in new]
        self._done.raised, before = self._send("/signals/batch", "signals", "findings", raised, {})
        self._done.settled += before
        self._done.ended, _ = self._send(
            "/signals/batch", "signals", "what is over", [self._over(signal) for signal in over], {}
        )
        return self._done

    def _standing(self) -> dict[str, list[Row]]:
        """The signals of earlier times that can still matter, by the name of what they say."""
        by_name: dict[str, list[Row]] = {}
        for signal in self._there.pages("/signals", source=self._seen_by, state=LOOKED_AT):
            name = signal["externalId"].rpartition("/")[0]
            if not signal["ends"] and name.partition("/")[0] in self._evidence.kinds:
                by_name.setdefault(name, []).append(signal)
        return by_name

    def _compared(self, before: Mapping[str, list[Row]]) -> tuple[list[Found], list[Row], set[str]]:
        """What is to be raised, what is over, and the orders that are told about anew."""
        new, over = list[Found](), list[Row]()
        for name, found in self._evidence.found.items():
            signals = before.get(name, ())
            if not signals or all(self._came_back(s) for s in signals):
                new.append(found)
                over += signals
            elif all(s["state"] == "withdrawn" or _is_over(s) for s in signals):
                self._done.settled += 1
            else:
                self._done.standing += 1
        gone = [s for name in before.keys() - self._evidence.found.keys() for s in before[name]]
        gone = [s for s in gone if s["state"] != "withdrawn"]
        judged = self._evidence.judged({s["orderExternalId"] for s in gone})
        over += [s for s in gone if s["orderExternalId"] in judged]
        self._done.absent = sum(s["orderExternalId"] not in judged for s in gone)
        touched = {f.order_id for f in self._evidence.found.values()} | {s["orderExternalId"] for s in over}
        return new, over, touched

    def _came_back(self, signal: Row) -> bool:
        """Whether its case was ended, and a newer export still shows it."""
        if signal["state"] == "withdrawn" or not _is_over(signal):
            return False
        return bool(datetime.fromisoformat(signal["caseChangedAt"]) < self._evidence.as_of)

    def _known(self, orders: Sequence[str]) -> dict[str, Row]:
        """The orders of this system that are here."""
        found: dict[str, Row] = {}
        for start in range(0, len(orders), NAMES_AT_ONCE):
            some = orders[start : start + NAMES_AT_ONCE]
            for order in self._there.pages("/orders", source=self._source, externalId=some):
                found[order["externalId"]] = order
        return found

    def _refuse_older(self, known: Mapping[str, Row]) -> None:
        newest = max((at for order in known.values() if (at := told_at(order, self._evidence.by))), default=None)
        if newest is not None and self._evidence.as_of < newest - SAME_EXPORT:
            fail(
                f"this is as of {_stamp(self._evidence.as_of)}, and {self._source} was brought in as of "
                f"{_stamp(newest)} before; nothing was changed\n"
                "read it together with the newer files, or give it a --source of its own"
            )

    def _raised(self, found: Found) -> Row:
        as_of = self._evidence.as_of
        since = found.since.replace(tzinfo=found.since.tzinfo or UTC) if found.since is not None else as_of
        return {
            "source": self._seen_by,
            "externalId": f"{found.name}/{_stamp(as_of)}",
            "order": {"source": self._source, "externalId": found.order_id},
            "item": found.item,
            "task": found.step,
            "code": f"{self._evidence.by}.{found.kind}",
            "message": found.said,
            "occurredAt": (since if since.year >= FIRST_YEAR else as_of).isoformat(),
            "looked": self._evidence.looked,
            "facts": dict(found.facts),
        }

    def _over(self, signal: Row) -> Row:
        order = {"source": signal["orderSource"], "externalId": signal["orderExternalId"]}
        name = signal["externalId"]
        return {"source": self._seen_by, "externalId": f"{name}/end", "order": order, "ends": name}

    def _send(self, path: str, what: str, said: str, rows: Sequence[Row], around: Row) -> tuple[int, int]:
        """Sends rows some at a time; how many were new, and how many were here."""
        accepted = known = sent = 0
        for some in _batches(rows):
            self._tell(f"bringing {said}", sent / len(rows))
            try:
                answer = self._there.post(path, {**around, what: some})
            except typer.Exit:
                typer.echo("what was brought in before stands; the same command again brings in the rest", err=True)
                raise
            accepted += answer["accepted"]
            known += answer["known"]
            self._done.refused += answer["refused"]
            for each in answer["answers"]:
                if each["result"] == "refused" and len(self._done.reasons) < REASONS_MAX:
                    self._done.reasons.append(f"{each['externalId']}: {each['refusal']['why']}")
            sent += len(some)
        return accepted, known


def told_at(order: Row, by: str) -> datetime | None:
    """As of when an analysis has last reported on an order."""
    reported = order["reported"] or {}
    if not str(reported.get("eventId", "")).startswith(f"{by}/") or not reported.get("at"):
        return None
    return datetime.fromisoformat(reported["at"])


def report_of(content: Mapping[str, Any], as_of: datetime, before: Row | None, now: datetime) -> Row | None:
    """The report of an order of a scan; None when the same was reported as of the same time.

    Read anew with another mapping, the same files say something else about the same moment: the later word counts.
    """
    last = told_at(before, "scan") if before is not None else None
    seal = print_of(content)
    at = as_of
    if last is not None and last >= as_of:
        if str((before or {})["reported"]["eventId"]).endswith(seal):
            return None
        at = last + ONE_TICK
    due = (now + NEXT_EXPORT_WITHIN).isoformat()
    tasks = [task | ({"dueAt": due} if task["state"] in ("ready", "in_progress") else {}) for task in content["tasks"]]
    return {**content, "tasks": tasks, "eventId": f"scan/{_stamp(at)}/{seal}", "at": at.isoformat()}


def compared_report_of(order: str, before: Row | None, *, agrees: bool) -> Row | None:
    """The report of an order of which only comparisons are known: open until both sides agree, and then over for good;
    None where nothing is to be said.
    """
    if before is None:
        return None if agrees else {"orderId": order, "eventId": f"reconcile/{order}/open", "revision": 1, **OPEN}
    own = str((before["reported"] or {}).get("eventId", "")) == f"reconcile/{order}/open"
    return {"orderId": order, "eventId": f"reconcile/{order}/agreed", "revision": 2, **OVER} if own and agrees else None


def _is_watched(order: Row | None) -> bool:
    """Whether what the files say is all that is known of it: not of an order that is executed here."""
    return order is None or order["reported"] is not None


def _is_over(signal: Row) -> bool:
    return signal["caseState"] is not None and signal["caseState"] not in OPEN_CASE_STATES


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    some, size = list[Row](), 0
    for row in rows:
        length = len(json.dumps(row))
        if some and (len(some) >= ROWS_AT_ONCE or size + length > BYTES_AT_ONCE):
            yield some
            some, size = [], 0
        some.append(row)
        size += length
    if some:
        yield some


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def lines(done: Brought, address: str) -> Iterator[str]:
    """The result for people."""
    told = f"{done.reported} orders of {done.source} reported to {address}, {done.unchanged} had been before"
    yield f"{told}; {done.raised} findings raised, {done.standing} stand as they did, {done.ended} are over"
    if done.settled:
        yield f"{done.settled} were dealt with since, and are not raised again"
    if done.absent:
        yield f"{done.absent} stand on: their orders are not in the files any more"
    if done.refused:
        yield f"{done.refused} were refused:"
        yield from (f"  {reason}" for reason in done.reasons)
    yield "fallsafe case list shows what is open"
