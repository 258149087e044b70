"""Reads the catalogue of repair actions (§8.3): each with the schema of what it must be given, compiled, and held
against what this release can run.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

import jsonschema_rs

from fallsafe.core.access import RIGHTS, ROLES
from fallsafe.core.events import Json
from fallsafe.core.repair.approval import RIGHT
from fallsafe.core.repair.automation import Automatic
from fallsafe.core.repair.catalogue import (
    AUDIT,
    CASE_WORK,
    ELSEWHERE,
    LOCKED,
    PREVIEW_LIVES,
    Check,
    RepairAction,
    Wrong,
    class_of,
)
from fallsafe.core.repair.plans import PLANS
from fallsafe.core.repair.remembered import NAMES, unknown_names
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import Part
from fallsafe.policyset.templates import is_fact

SAYS_WHAT_HAPPENED = ("DECLARE_OUTCOME", "ADOPT_EXTERNAL_RESULT", "MARK_EXTERNAL_COMPLETED")
RUNS = (*PLANS, *CASE_WORK, *ELSEWHERE)
ANYTHING: Mapping[str, Json] = {"type": "object", "additionalProperties": False, "properties": {}}
WRONG_MAX = 20


def actions(part: Part, findings: Findings) -> dict[str, RepairAction]:
    """The repair actions by code."""
    made = {code: _action(code, below, findings) for code, below in part.at("actions").entries()}
    for code, below in part.at("actions").entries():
        _unchecked(below, made[code], made.values(), findings)
        _said_alone(below, made[code], findings)
    return made


def _unchecked(part: Part, action: RepairAction, others: Iterable[RepairAction], findings: Findings) -> None:
    """What one action corrects only after it was asked again, no other one corrects without asking."""
    mine = {check.operation for check in action.checks}
    for name, below in part.at("fields").entries():
        for other in others:
            asked = {check.operation for check in other.checks} - mine
            corrects = [fact for fact in other.corrects.values() if asked and class_of(action, fact) != LOCKED]
            if any(fact == name or (name.endswith("*") and fact.startswith(name[:-1])) for fact in corrects):
                right = f"ask {', '.join(sorted(asked))} in its `checks` too, or leave it to {other.code}"
                findings.add(below, f"{other.code} corrects {name} only after it was asked again", right)


def _said_alone(part: Part, action: RepairAction, findings: Findings) -> None:
    """What a person says of an outcome counts only with a second person (§11)."""
    if action.available and action.does in SAYS_WHAT_HAPPENED and action.approves_when != "always":
        right = "say `approves_when: always`"
        findings.add(part, f"by {action.code} one person alone would say what happened outside", right)


def _action(code: str, part: Part, findings: Findings) -> RepairAction:
    input_, given = part.at("input"), dict(ANYTHING)
    if isinstance(input_.value, Mapping):
        given = dict(input_.value)
    available, does = part.at("available").flag(), part.at("does").text(code)
    if available and does not in RUNS:
        right = "say `because` instead: nothing of this release runs it"
        findings.add(part.at("available"), f"{code} is said to be available", right)
    for name, below in part.at("fields").entries():
        _fact(below, name.replace("*", "x"), findings)
    for name, below in part.at("corrects").entries():
        _corrects(below, name, given, findings)
    return RepairAction(
        code=code,
        title=part.at("title").text(),
        kind=part.at("kind").text(),
        risk=part.at("risk").text(),
        roles=_roles(part.at("roles"), findings),
        approval=part.at("approval").text(),
        locked_while_unknown=part.at("locked_while_unknown").flag(),
        available=available,
        because=part.at("because").text(),
        approves_when=part.at("approves_when").text("never"),
        approvers=_roles(part.at("approvers"), findings),
        approvers_above=_approvers_above(part.at("approvers_above"), findings),
        given=given,
        wrong=_compiled(input_, given, findings),
        fields={name: below.text() for name, below in part.at("fields").entries()},
        tolerance=dict(_tolerances(part, findings)),
        mode=part.at("mode").text("manual"),
        sends=part.at("sends").texts(),
        checks=tuple(_check(below, findings) for below in part.at("checks").each()),
        does=does,
        automatic=_automatic(part.at("automatic"), findings),
        corrects={name: below.text() for name, below in part.at("corrects").entries()},
        resolves=part.at("resolves").text(),
        audit=_audit(part, given, findings),
        lives=_lives(part.at("lives"), findings),
        every_case=part.at("every_case").flag(),
        digest=sha256(json.dumps(part.value, sort_keys=True).encode()).hexdigest()[:16],
    )


def _fact(part: Part, name: str, findings: Findings) -> None:
    if not is_fact(name):
        findings.add(part, f"no fact is called {name!r}", "for example item.characteristics.site")


def _corrects(part: Part, name: str, given: Mapping[str, Json], findings: Findings) -> None:
    """What corrects a fact is something that the action is given."""
    properties = given.get("properties")
    if not isinstance(properties, Mapping) or name not in properties:
        findings.add(part, f"it is given nothing that is called {name!r}", "name a property of its `input`")
    _fact(part, part.text(), findings)


def _tolerances(part: Part, findings: Findings) -> Iterator[tuple[str, timedelta | int]]:
    """How far each fact may go: a duration of a date, whole units of an amount; of a fact that may be corrected."""
    for name, below in part.at("tolerance").entries():
        if name not in dict(part.at("fields").entries()):
            findings.add(below, f"{name} is none of its fields", "name a fact of its `fields`")
        if isinstance(below.value, int):
            yield name, below.value
        else:
            yield name, findings.duration(below, scaled=False)


def _automatic(part: Part, findings: Findings) -> Automatic:
    if part.value is None:
        return Automatic()
    given = part.at("input").value
    return Automatic(
        codes=frozenset(part.at("codes").texts()),
        given=dict(given) if isinstance(given, Mapping) else {},
        after=findings.duration(part.at("after")) if part.at("after").value is not None else timedelta(0),
        per_hour=int(part.at("per_hour").number()),
        per_system=int(part.at("per_system").number()),
        stop_after=int(part.at("stop_after").number()),
    )


def _check(part: Part, findings: Findings) -> Check:
    gives = part.at("gives")
    if gives.value is not None:
        _fact(gives, gives.text(), findings)
    return Check(part.at("operation").text(), part.at("title").text(), gives.text(), part.at("unchanged").text())


def _approvers_above(part: Part, findings: Findings) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Who agrees from which amount on: ascending, each by a role that may agree at all."""
    levels = [(int(level.at("above").number()), _roles(level.at("roles"), findings)) for level in part.each()]
    for level, (above, roles), before in zip(part.each(), levels, [(-1, ()), *levels], strict=False):
        if above <= before[0]:
            findings.add(level.at("above"), f"{above} comes after {before[0]}", "begin with the smallest amount")
        for role in set(roles) - RIGHTS[RIGHT]:
            right = f"name one of {', '.join(sorted(RIGHTS[RIGHT]))}"
            findings.add(level.at("roles"), f"{role} may not agree to any repair", right)
    return tuple(levels)


def _roles(part: Part, findings: Findings) -> tuple[str, ...]:
    return tuple(findings.name(role, "role", ROLES) for role in part.each())


def _audit(part: Part, given: Mapping[str, Json], findings: Findings) -> str:
    """How it is remembered. What it names is known for every repair, or is given with this one and not personal."""
    template = part.at("audit").text(AUDIT)
    for name in unknown_names(template, given, {n: below.text() for n, below in part.at("corrects").entries()}):
        right = f"known are {', '.join(NAMES)}, and input.<name> of what is given, if it is short and corrects nothing"
        findings.add(part.at("audit"), f"{{{name}}} is not known here", right)
    return template


def _lives(part: Part, findings: Findings) -> timedelta:
    return PREVIEW_LIVES if part.value is None else findings.duration(part, timedelta(minutes=1), scaled=False)


def _compiled(part: Part, given: dict[str, Json], findings: Findings) -> Callable[[Json], tuple[Wrong, ...]]:
    """The schema as a function that says what is wrong with a value; values are kept out of what it says."""
    try:
        validator = jsonschema_rs.Draft202012Validator(
            given, validate_formats=True, mask="the value", retriever=_fetch_nothing
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        findings.add(part, f"no JSON Schema: {str(error)[:200]}", "write a JSON Schema of draft 2020-12")
        return lambda _: ()

    def wrong(value: Json) -> tuple[Wrong, ...]:
        found = []
        for error in validator.iter_errors(value):
            found.append(_wrong(error))
            if len(found) == WRONG_MAX:
                break
        return tuple(found)

    return wrong


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"schemas are complete in themselves; {uri} is not fetched")


def _wrong(error: jsonschema_rs.ValidationError) -> Wrong:
    pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in error.instance_path)
    told = error.kind.as_dict()
    match error.kind.name:
        case "additionalProperties":
            return Wrong(f"{pointer}/{next(iter(told['unexpected']))}"[:200], "there is no such field", "leave it out")
        case "required":
            return Wrong(f"{pointer}/{told['property']}", "this field is missing", "give it")
        case _:
            return Wrong(pointer[:200], error.message[:300], "GET /fallout-cases/{id}/actions shows the schema")
