"""The page of rules: how right each version of a rule was, what a braked detector holds back, and, for whoever may end
cases, taking a wrong version back or letting the candidates through (§6, §7).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from fallsafe.core.access import Actor, may, who_may
from fallsafe.core.cases.query import CaseQuery
from fallsafe.core.detect.brake import RULE, SOURCE
from fallsafe.core.errors import Refusal
from fallsafe.core.triage.classify import Rule, RuleIndex
from fallsafe.flows import signals
from fallsafe.flows.context import Answer, Applied, Refused
from fallsafe.store.ids import outside
from fallsafe.store.rules import RuleVersion, braked, rule_versions
from fallsafe.store.tx import Tx
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, not_ours, note, now_of, own_form, sign_in
from fallsafe.workbench.narrowing import list_url
from fallsafe.workbench.paper import html
from fallsafe.workbench.queue_pages import Handler

HERE, JUDGES = "rules", "end_case"
SHOWN_MAX, REASON_MAX, NAME_MAX = 200, 500, 120


@dataclass(frozen=True, slots=True)
class Shown:
    """One version of a rule: what it reads and as what, where it stands (`active`, `shadow`, `withdrawn`, `older`), and
    what became of what it found. `braked` is the case that says that it finds too much.
    """

    version: RuleVersion
    title: str
    code_href: str
    state: str
    braked: str


@dataclass(frozen=True, slots=True)
class RuleDoor:
    """The routes under /rules."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler and method of each."""
        return (("/rules", self.show, "GET"), ("/rules", self.judge, "POST"))

    async def show(self, request: Request, done: str = "", refused: str = "") -> Response:
        """Every version that found anything, the newest finds first, and what is in shadow now."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        said = f"{done} done, {refused} refused" if done.isdecimal() and refused.isdecimal() else ""
        return await self._page(request, actor, said=said)

    async def judge(self, request: Request) -> Response:
        """Takes a version of a rule back with all its open cases, or lets the candidates of a detector through."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor)
        if form is None:
            return await not_ours(self.deps, request, actor)
        reason = form.get("reason", "").strip()[:REASON_MAX]
        rule, policy_set, source = (form.get(name, "")[:NAME_MAX] for name in ("rule", "set", "source"))
        back = form.get("do") == "withdraw"
        if not reason or not ((rule and policy_set) if back else (rule or source)):
            why = "the reason is missing" if rule or source else "it names neither a rule nor a source"
            refusal = Refusal("FORM_INCOMPLETE", "cannot judge a rule", why, "open the page again and use its form")
            await note(self.deps, request, actor, refusal.code, refusal.why)
            return await self._page(request, actor, refusal)

        async def change(tx: Tx) -> list[Answer]:
            context = self.deps.context()
            if back:
                return await signals.withdraw_rule(tx, context, rule, policy_set, actor, reason)
            return await signals.admit(tx, context, source or None, rule or None, actor, reason)

        answers = await self.deps.database.transact(change)
        whole = [answer for answer in answers if isinstance(answer, Refused)]
        if whole and whole[0].id == 0:
            return await self._page(request, actor, whole[0].refusal)
        count = sum(isinstance(answer, Applied) for answer in answers)
        return RedirectResponse(f"/rules?done={count}&refused={len(whole)}", 303)

    async def _page(self, request: Request, actor: Actor, refusal: Refusal | None = None, said: str = "") -> Response:
        database, newest = self.deps.database, self.deps.context().newest
        found, brakes = await rule_versions(database, limit=SHOWN_MAX), await braked(database)
        known, shadows = _named(newest.rules), _named(newest.rules.shadows)
        seen = {version.rule for version in found if version.policy_set == newest.id}
        quiet = [RuleVersion(name, newest.id, 0, 0, 0, 0, 0, 0, None) for name in sorted(shadows.keys() - seen)]
        every = {**shadows, **known}

        def shown(version: RuleVersion) -> Shown:
            rule = every.get(version.rule)
            code = newest.codes.get(rule.code) if rule is not None else None
            href = list_url(CaseQuery().having("code", rule.code)) if rule is not None else ""
            case = brakes.get(f"{RULE}/{version.rule}")
            state = _state(version, newest.id, shadows)
            return Shown(version, code.title if code else "", href, state, outside("case", case) if case else "")

        rows = [shown(version) for version in (*found, *quiet)]
        sources = [
            (name.partition("/")[2], outside("case", case))
            for name, case in brakes.items()
            if name.startswith(f"{SOURCE}/")
        ]
        now: datetime = await now_of(self.deps)
        return html(
            "rules.html", 422 if refusal else 200, **await base(self.deps, request, actor, HERE), rows=rows,
            sources=sources, judges=may(actor, JUDGES), who=", ".join(sorted(who_may(JUDGES))), refusal=refusal,
            said=said, now=now,
        )  # fmt: skip


def _named(rules: RuleIndex | None) -> Mapping[str, Rule]:
    """The rules of an index by their ids."""
    if rules is None:
        return {}
    every = [rule for found in rules.exact.values() for rule in found]
    return {rule.id: rule for rule in (*every, *rules.scan, rules.fallback)}


def _state(version: RuleVersion, in_force: str, shadows: Mapping[str, Rule]) -> str:
    if version.withdrawn and not version.open and not version.confirmed:
        return "withdrawn"
    if version.policy_set != in_force:
        return "older"
    return "shadow" if version.rule in shadows else "active"
