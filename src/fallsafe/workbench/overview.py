"""Pages that look at all cases at once: unknown outcomes, failures that look alike, the dashboard, what was done
lately, and who may do what. Every number leads to the list of what it counts.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import Request
from starlette.responses import Response

from fallsafe.core.access import RIGHTS, ROLES, Actor, may, who_may
from fallsafe.core.cases.facets import Cell
from fallsafe.core.cases.query import LEVELS, CaseQuery
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.triage.taxonomy import Recoverability
from fallsafe.store.ids import inside, outside
from fallsafe.store.overview import (
    FailureGroup,
    UnknownOutcome,
    ended,
    failure_groups,
    open_by_age,
    open_by_catalog,
    recorded,
    unknown_outcomes,
)
from fallsafe.store.queue import open_cells
from fallsafe.store.reads import case_row
from fallsafe.store.trail import JournalLine, order_trail_end, thing_trail
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, now_of, sign_in
from fallsafe.workbench.narrowing import list_url, title_of
from fallsafe.workbench.paper import html
from fallsafe.workbench.words import many, words

UNKNOWN_ROWS = 50
BANDS = (
    ("under 4 h", "age:<4h"),
    ("4–12 h", "age:>=4h age:<12h"),
    ("12–24 h", "age:>=12h age:<24h"),
    ("1–3 d", "age:>=24h age:<3d"),
    ("3–7 d", "age:>=3d age:<7d"),
    ("over 7 d", "age:>=7d"),
)
BAR_HEIGHT, CHART_WIDTH = 160.0, 560.0
TOP_CODES = 10
SHADES = 5
Handler = Callable[..., Awaitable[Response]]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a stacked bar: where it stands, what it counts, and the list of that."""

    y: float
    height: float
    level: str
    count: int
    href: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the chart of ages."""

    x: float
    title: str
    total: int
    parts: tuple[Part, ...]
    href: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """A line of a ranking: its share of the longest, in percent."""

    title: str
    count: int
    percent: int
    unknown: bool
    href: str


@dataclass(frozen=True, slots=True)
class OverviewDoor:
    """The routes of these pages."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler and method of each."""
        return (
            ("/unknown", self.unknown, "GET"),
            ("/groups", self.groups, "GET"),
            ("/dashboard", self.dashboard, "GET"),
            ("/audit", self.audit, "GET"),
            ("/permissions", self.permissions, "GET"),
        )

    async def unknown(self, request: Request, after: str = "") -> Response:
        """Commands of which nobody knows whether they had their effect, the oldest first."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        found = await unknown_outcomes(self.deps.database, inside("case", after), UNKNOWN_ROWS + 1)
        policy = self.deps.context().newest
        return html(
            "unknown.html",
            **await base(self.deps, request, actor, "unknown"),
            now=await now_of(self.deps),
            rows=[_unknown(one, policy) for one in found[:UNKNOWN_ROWS]],
            after=outside("case", found[UNKNOWN_ROWS - 1].id) if len(found) > UNKNOWN_ROWS else "",
            may_reconcile=may(actor, "reconcile"),
            who=", ".join(who_may("reconcile")),
        )

    async def groups(self, request: Request) -> Response:
        """Failures that look alike, over all orders."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        now, policy = await now_of(self.deps), self.deps.context().newest
        found = await failure_groups(self.deps.database, now)
        return html(
            "groups.html",
            **await base(self.deps, request, actor, "groups"),
            now=now,
            rows=[(one, title_of("code", one.code, policy), _days(one), _group_url(one)) for one in found],
        )

    async def dashboard(self, request: Request) -> Response:
        """How much stands open, how old it is, where it comes from, and how the last week's cases ended."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        database, policy, now = self.deps.database, self.deps.context().newest, await now_of(self.deps)
        cells = await open_cells(database)
        ages = await open_by_age(database, now)
        return html(
            "dashboard.html",
            **await base(self.deps, request, actor, "dashboard"),
            now=now,
            tiles=_tiles(cells, await ended(database, now - timedelta(days=7))),
            bars=_bars(ages),
            width=CHART_WIDTH,
            height=BAR_HEIGHT,
            levels=LEVELS,
            codes=_ranked("code", cells, policy, TOP_CODES),
            owners=_ranked("owner", cells, policy, TOP_CODES),
            heat=_heat(await open_by_catalog(database), policy),
        )

    async def audit(
        self,
        request: Request,
        of: str = "",
        who: str = "",
        verb: str = "",
        refused: str = "",
        people: str = "",
    ) -> Response:
        """Records of the journal: all of one order or case, or what was done lately."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        lines, wrong = await self._lines(of.strip(), who.strip(), verb.strip(), bool(refused), bool(people))
        cells = await open_cells(self.deps.database)
        return html(
            "audit.html",
            **await base(self.deps, request, actor, "audit"),
            now=await now_of(self.deps),
            lines=[(line, _thing(line), str(line.facts.get("why", ""))) for line in lines],
            wrong=wrong,
            asked={"of": of, "who": who, "verb": verb, "refused": refused, "people": people},
            altered=sum(cell.cases for cell in cells if cell.code == "EVIDENCE_ALTERED"),
        )

    async def _lines(
        self, of: str, who: str, verb: str, refused: bool, people: bool
    ) -> tuple[Sequence[JournalLine], str]:
        if not of:
            found = await recorded(self.deps.database, actor=who, verb=verb, refused=refused, people=people)
            return found, ""
        order, case = inside("order", of.upper()), inside("case", of.upper())
        if case is not None:
            known = await case_row(self.deps.database, case)
            order = known.order_id if known is not None else None
        if order is None:
            return (), f"{of[:40]} is neither an order (O- and a number) nor a case (F- and a number) that is here."
        database = self.deps.database
        lines = await (order_trail_end(database, order) if order else thing_trail(database, "case", case or 0))
        kept = (
            line
            for line in reversed(lines)
            if (not who or line.actor.partition(":")[2] == who)
            and (not verb or line.verb == verb)
            and (not refused or line.is_refusal)
            and (not people or line.actor.startswith("person:"))
        )
        return tuple(kept), ""

    async def permissions(self, request: Request, right: str = "") -> Response:
        """Who may do what, and why the one who asks may not."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        policy = self.deps.context().newest
        return html(
            "permissions.html",
            **await base(self.deps, request, actor, "permissions"),
            roles=ROLES,
            rights=[
                (name, words(name), [role in held for role in ROLES], may(actor, name)) for name, held in RIGHTS.items()
            ],
            right=right if right in RIGHTS else "",
            answer=_answer(actor, right) if right in RIGHTS else "",
            actions=[
                (
                    action.title,
                    action.risk,
                    ", ".join(action.roles),
                    action.approval,
                    bool(actor.roles & set(action.roles)),
                )
                for action in sorted(policy.actions.values(), key=lambda each: each.title)
            ],
        )


def _unknown(one: UnknownOutcome, policy: PolicySet) -> tuple[UnknownOutcome, str, str, str]:
    """The row, the system's title, and how often it was looked for in words."""
    looked = [f"looked {many(one.looks, 'time')}" if one.looks else "not looked for yet"]
    looked += [f"{one.empty_looks} found nothing"] if one.empty_looks else []
    looked += [f"{one.pending_looks} still under way"] if one.pending_looks else []
    return one, title_of("system", one.system, policy), ", ".join(looked), outside("case", one.id)


def _days(one: FailureGroup) -> tuple[tuple[float, float, int], ...]:
    """(x, height, count) of each day's bar, today last."""
    most = max(one.days) or 1
    return tuple((n * 9.0, max(22.0 * count / most, 1.0 if count else 0.0), count) for n, count in enumerate(one.days))


def _group_url(one: FailureGroup) -> str:
    return list_url(CaseQuery().having("group", one.fingerprint))


def _tiles(cells: Sequence[Cell], ends: Sequence[Row]) -> list[tuple[str, str, str, str]]:
    """(title, number, note, list) of each tile."""
    total = sum(cell.cases for cell in cells)
    unknown = sum(cell.cases for cell in cells if cell.recover == Recoverability.UNKNOWN_OUTCOME)
    free = sum(cell.cases for cell in cells if not cell.assigned)
    done = [row for row in ends if row["state"] in ("resolved", "closed")]
    by_itself = sum(row["cases"] for row in done if not row["by_person"])
    all_done = sum(row["cases"] for row in done)
    proved = sum(row["cases"] for row in done if row["verified"])
    rate = f"{100 * by_itself / all_done:.0f} %" if all_done else "—"
    week = "of those detected in the last 7 days"
    return [
        ("Open", f"{total:,}", "cases", "/queue"),
        ("Outcome unknown", f"{unknown:,}", "nobody knows what happened", "/unknown"),
        ("Nobody works on it", f"{free:,}", "without an assignee", list_url(CaseQuery().having("assignee", "none"))),
        ("Resolved", f"{all_done:,}", week, list_url(CaseQuery().having("state", "closed", "resolved"))),
        ("Without people", rate, f"{by_itself:,} {week}", ""),
        ("Proved", f"{proved:,}", "by a look, an invariant or the next task", ""),
    ]


def _bars(ages: Sequence[Row]) -> tuple[Bar, ...]:
    counts = {(row["severity"], row["band"]): row["cases"] for row in ages}
    most = max((sum(counts.get((level, n), 0) for level in LEVELS) for n in range(len(BANDS))), default=0) or 1
    return tuple(_bar(n, title, text, counts, most) for n, (title, text) in enumerate(BANDS))


def _bar(n: int, title: str, text: str, counts: Mapping[tuple[str, int], int], most: int) -> Bar:
    parts, y, step = list[Part](), BAR_HEIGHT, CHART_WIDTH / len(BANDS)
    for level in LEVELS:
        count = counts.get((level, n), 0)
        height = (BAR_HEIGHT - 20) * count / most
        y -= height
        if count:
            parts.append(Part(y, height, level, count, f"/queue?q={_plus(f'severity:{level} {text}')}"))
    return Bar(n * step + step / 2, title, sum(part.count for part in parts), tuple(parts), f"/queue?q={_plus(text)}")


def _plus(text: str) -> str:
    return text.replace(":", "%3A").replace(">", "%3E").replace("<", "%3C").replace("=", "%3D").replace(" ", "+")


def _ranked(key: str, cells: Iterable[Cell], policy: PolicySet, count_max: int) -> tuple[Ranked, ...]:
    counts, unknown = Counter[str](), set[str]()
    for cell in cells:
        counts[cell.value(key)] += cell.cases
        if key == "code" and cell.recover == Recoverability.UNKNOWN_OUTCOME:
            unknown.add(cell.code)
    top = counts.most_common(count_max)
    most = top[0][1] if top else 1
    return tuple(
        Ranked(
            title_of(key, value, policy),
            count,
            max(round(100 * count / most), 1),
            value in unknown,
            list_url(CaseQuery().having(key, value)),
        )
        for value, count in top
    )


def _heat(found: Sequence[Row], policy: PolicySet) -> tuple[Sequence[str], Sequence[tuple[str, Sequence[Any]]]]:
    """Catalog versions, and for each system its cells: (count, shade, list)."""
    versions = sorted({row["catalog"] for row in found})[-6:]
    counts = {(row["system"], row["catalog"]): row["cases"] for row in found}
    systems = Counter[str]()
    for row in found:
        systems[row["system"]] += row["cases"]
    most = max(counts.values(), default=1)
    rows = []
    for system, _ in systems.most_common(12):
        name = system or "none"
        shown = [
            (count, 1 + (SHADES - 1) * count // most if count else 0, _cell_url(name, version))
            for version in versions
            for count in [counts.get((system, version), 0)]
        ]
        rows.append((title_of("system", name, policy), shown))
    return [version or "none" for version in versions], rows


def _cell_url(system: str, catalog: str) -> str:
    return list_url(CaseQuery().having("system", system).having("catalog", catalog or "none"))


def _thing(line: JournalLine) -> tuple[str, str]:
    """What a record is about, and where that stands."""
    try:
        name = outside(line.thing, line.thing_id)
    except KeyError:
        return line.thing.replace("_", " "), ""
    return name, f"/{line.thing}s/{name}" if line.thing in ("case", "order") else ""


def _answer(actor: Actor, right: str) -> str:
    """Why somebody may or may not, in a sentence."""
    holders = ", ".join(who_may(right)) or "nobody"
    mine = ", ".join(sorted(actor.roles)) or "no role"
    said = words(right).lower()
    if may(actor, right):
        through = ", ".join(sorted(actor.roles & RIGHTS[right])) or actor.kind
        return f"You may {said}: through {through}."
    return f"You may not {said}: it belongs to {holders}, and you have {mine}. Whoever administers can give you a role."
