"""What stands in the installation that requests are made at: things in the states in which operations answer well, and
for each of these operations one right request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.crash.outside import Installation, order, until
from tests.spec.at_real_systems import WAIT_SECONDS, case, command, goes_wrong, told
from tests.spec.test_s12_ways import WORKS, by_file

from fallsafe import policyset

REFUSED = ("agreed", "not-agreed", "decided", "sold", "sold-again", "kept", "given", "back", "asked")
"""Orders each of which has a case that nobody else touches."""
FAULTS = tuple(goes_wrong(name, "WHS.reserve", "refuse") for name in REFUSED)
LATER = "2199-01-01T00:00:00Z"
ENGINE_ORDER = {
    "eventId": "w-1", "orderId": "watched", "revision": 1, "at": "2026-11-01T08:00:00Z", "state": "held",
    "tasks": [{"task": "activate", "item": "line", "state": "failed", "dependsOn": [], "code": "PORT_FAULT"}],
    "order": {"customerRef": "CU-W", "items": [{"externalId": "line", "action": "add", "offer": "line"}]},
}  # fmt: skip


@dataclass(frozen=True)
class Right:
    """One right request of an operation: its parameters by name, and its body."""

    named: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None


def right_requests(there: Installation) -> dict[str, Right]:
    """Brings things into their states, and says how each operation is asked well."""
    for name in REFUSED:
        there.ask("/orders", order(name))
    there.ask("/orders", by_file("digs", works=True))
    there.ask("/reports", {"source": "ENG", "reports": [ENGINE_ORDER]})
    return {**_about_cases(there), **_about_repairs(there), **_about_others(there), **_about_policy(there)}


def _about_cases(there: Installation) -> dict[str, Right]:
    """Cases of failures that stand, and cases of what somebody saw, which may be ended at any time."""
    names = ("kept", "given", "back", "asked")
    kept, given, back, asked = (case(there, name, "SKU_OUT_OF_STOCK")["id"] for name in names)
    for one in (given, back):
        there.ask(f"/fallout-cases/{one}/transfer", {"ownerGroup": "ORDER_DESK", "reason": "it is theirs", **GIVEN})
    there.ask(f"/fallout-cases/{asked}/consult", ASKED)
    for n, name in enumerate(("kept", "back", "asked")):
        about = {"source": "CRM", "externalId": name}
        there.ask("/signals", {"source": "MON", "externalId": f"R-{n}", "code": "LINE_DOWN", "order": about})
    ended, solved, again = (_seen_at(there, name) for name in ("kept", "back", "asked"))
    there.ask(f"/fallout-cases/{again}/resolve", SOLVED)
    path = "POST /api/v1/fallout-cases/{case_id}"
    return {
        f"{path}/accept": Right({"case_id": given}, {}),
        f"{path}/transfer": Right({"case_id": kept}, {"ownerGroup": "ORDER_DESK", "reason": "it is theirs", **GIVEN}),
        f"{path}/evidence": Right({"case_id": kept}, PAPER),
        f"{path}/return": Right({"case_id": back}, {"reason": "it is not ours"}),
        f"{path}/assign": Right({"case_id": kept}, {"assignee": "you", "reason": "you know it"}),
        f"{path}/consult": Right({"case_id": kept}, ASKED),
        f"{path}/reply": Right({"case_id": asked}, {"group": ASKED["group"], "answer": "it is"}),
        f"{path}/withdraw": Right({"case_id": ended}, {"reason": "it is nothing"}),
        f"{path}/resolve": Right({"case_id": solved}, SOLVED),
        f"{path}/reopen": Right({"case_id": again}, {"reason": "it is not"}),
        f"{path}/relate": Right({"case_id": kept}, {"to": back, "how": "related"}),
        f"{path}/follow-up": Right({"case_id": kept}, {"at": LATER}),
        f"{path}/wait": Right({"case_id": kept}, {"whom": "customer", "what": "an answer", "until": LATER}),
        "POST /api/v1/fallout-cases/actions": Right({}, {"action": "claim", "caseIds": [kept]}),
    }


def _seen_at(there: Installation, name: str) -> str:
    """The case of what somebody saw at an order."""

    def found() -> list[str]:
        return [c["id"] for c in told(there, name)["cases"] if c["code"] != "SKU_OUT_OF_STOCK"]

    until(found, WAIT_SECONDS, lambda: f"no such case: {told(there, name)['cases']}")
    return found()[0]


ASKED = {"group": "BILLING_OPS", "asked": "is it still wanted?"}
PAPER = {"name": "letter.txt", "mediaType": "text/plain", "content": "aXQgaXMgc28=", "reason": "they wrote it"}
GIVEN = {"done": "looked at it", "asked": "is it theirs?"}
SOLVED = {"type": "SolvedElsewhere", "text": "they say that it is done"}


def _about_repairs(there: Installation) -> dict[str, Right]:
    second, desk = there.token_of("second", ["manager"]), there.token_of("desk", ["operator"])
    decisions = {}
    for verb, name, action, given in (
        ("approve", "agreed", "ADD_TASK", {"taskType": "determineTax"}),
        ("decline", "not-agreed", "ADD_TASK", {"taskType": "determineTax"}),
        ("run", "decided", "SUPERSEDE_REJECTED", {"correctedElsewhere": "they put one there"}),
    ):
        seen = _previewed(there, name, action, given)
        path = f"POST /api/v1/fallout-cases/{{case_id}}/repairs/{{repair_id}}/{verb}"
        decisions[path] = Right({"case_id": seen["caseId"], "repair_id": seen["id"]}, _decided(seen))
    for name in ("sold", "sold-again"):
        seen = _previewed(there, name, "REQUEST_AMENDMENT", {"changes": {"termMonths": 36}}, desk)
        where = f"/fallout-cases/{seen['caseId']}/repairs/{seen['id']}"
        if seen["state"] == "awaited":
            there.ask(f"{where}/approve", _decided(seen), token=second)
        there.ask(f"{where}/run", _decided(seen), token=desk)
    one, other = (row["id"] for row in there.ask("/amendments?state=handed_off")["items"])
    return decisions | {
        "GET /api/v1/amendments/{amendment_id}": Right({"amendment_id": one}),
        "POST /api/v1/amendments/{amendment_id}/accept": Right({"amendment_id": one}, {"reference": "Q-1"}),
        "POST /api/v1/amendments/{amendment_id}/decline": Right({"amendment_id": other}, {"reference": "Q-2"}),
    }


def _previewed(
    there: Installation, name: str, action: str, given: Mapping[str, Any], token: str = ""
) -> dict[str, Any]:
    number = case(there, name, "SKU_OUT_OF_STOCK")["id"]
    body = {"action": action, "input": given, "reason": "they told us"}
    seen: dict[str, Any] = there.ask(f"/fallout-cases/{number}/repairs/preview", body, token=token)
    assert seen["id"], seen
    return seen


def _decided(seen: Mapping[str, Any]) -> dict[str, Any]:
    return {"hash": seen["hash"], "reason": "go"}


def _about_others(there: Installation) -> dict[str, Right]:
    until(lambda: told(there, "watched", "ENG")["tasks"], WAIT_SECONDS, "no report was applied")
    (steered,) = told(there, "watched", "ENG")["tasks"]
    until(lambda: command(there, "digs", WORKS)["state"] == "accepted", WAIT_SECONDS, "no letter was sent")
    nina = {"title": "Nina", "roles": ["operator"], "reason": "new"}
    there.ask("/people/nina", nina, "PUT")
    dug = {"says": "done", "seen": "the trench is closed", "where": "mail of 2 July", "reference": "CW-7"}
    return {
        "POST /api/v1/tasks/{task_id}/{verb}": Right(
            {"task_id": steered["id"], "verb": "retry"}, {"reason": "it was repaired"}
        ),
        "POST /api/v1/commands/{command_id}/reply": Right({"command_id": command(there, "digs", WORKS)["id"]}, dug),
        "PUT /api/v1/people/{name}": Right({"name": "otto"}, {**nina, "title": "Otto"}),
        "PUT /api/v1/people/{name}/password": Right({"name": "nina"}, {"password": "another-long-word"}),
        "POST /api/v1/automations/{code}/on": Right({"code": "RESEND_SAME_KEY"}, {"reason": "let it"}),
        "POST /api/v1/automations/{code}/off": Right({"code": "RESEND_SAME_KEY"}, {"reason": "no more"}),
    }


def _about_policy(there: Installation) -> dict[str, Right]:
    shipped = policyset.shipped("telco")
    files = {path.name: path.read_text() for path in sorted(shipped.glob("*.yaml"))}
    versions = {}
    for n, name in enumerate(("published", "dropped", "compared"), start=1):
        dated = {**files, "set.yaml": files["set.yaml"].replace(shipped.name, f"2026-12-0{n}")}
        body = {"files": dated, "reason": "to be tried"}
        versions[name] = there.ask(f"/policy-drafts/{name}", body, "PUT")["version"]
    path, reason = "/api/v1/policy-drafts/{name}", {"reason": "it was tried"}
    whole = {"files": {**files, "set.yaml": files["set.yaml"].replace(shipped.name, "2026-12-09")}, "activate": False}
    return {
        f"GET {path}/diff": Right({"name": "compared"}),
        f"POST {path}/publish": Right(
            {"name": "published", "If-Match": f'"{versions["published"]}"'}, {**reason, "activate": False}
        ),
        f"POST {path}/discard": Right({"name": "dropped", "If-Match": f'"{versions["dropped"]}"'}, reason),
        "POST /api/v1/policy-sets": Right({}, {**whole, "reason": "to be tried"}),
    }
