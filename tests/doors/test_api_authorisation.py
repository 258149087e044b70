"""Who may do what, asked at the API: every role × every command × a case of the own or of another owner group, against
a table that a person can read (`authorisation.csv`: all, own, no).

A command that is allowed may still be refused for what it is about; one that is not is refused for that alone (403).
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.doors.conftest import ROLES, Api
from tests.doors.test_api_cases import play, the_case
from tests.flows import orders as world

from fallsafe.core.access import Actor, system
from fallsafe.flows import access
from fallsafe.security.tokens import digest_of, new_token

TABLE = {row.pop("command"): row for row in csv.DictReader(Path(__file__).with_name("authorisation.csv").open())}
# What is anybody's own, or says by itself who may: what a second person must be is tried where repairs are.
APART = {
    "POST /downstreams/{name}/callbacks": "is signed by the system, by nobody's token",
    "POST /policy-sets/check": "changes nothing",
    "POST /amendments/{amendment_id}/accept": "needs a request, tried where amendments are",
    "POST /amendments/{amendment_id}/decline": "needs a request, tried where amendments are",
    "POST /views": "everybody has views of their own",
    "DELETE /views/{view_id}": "everybody has views of their own",
}
WHY: dict[str, Any] = {"reason": "try it"}
BODIES: dict[str, dict[str, Any]] = {
    "POST /orders": {},
    "POST /orders/batch": {},
    "POST /orders/{order_id}/revisions": {"externalId": "R-1", "kind": "date", "what": "later"},
    "POST /commands/{command_id}/reply": {"says": "done", "seen": "a letter of today", "where": "the file"},
    "POST /fallout-cases/{case_id}/assign": {"assignee": "eva", **WHY},
    "POST /fallout-cases/{case_id}/transfer": {"ownerGroup": "NOWHERE", **WHY},
    "POST /fallout-cases/{case_id}/comment": {"text": "try it"},
    "POST /fallout-cases": {"orderId": "{orderId}", "text": "no light", "code": "NONE", **WHY},
    "POST /fallout-cases/{case_id}/evidence": {"name": "a.txt", "mediaType": "text/plain", "content": "YQ==", **WHY},
    "POST /fallout-cases/{case_id}/consult": {"group": "NOWHERE", "asked": "try it"},
    "POST /fallout-cases/{case_id}/refer": {"system": "JIRA", "reference": "X-1"},
    "POST /fallout-cases/{case_id}/follow-up": {"at": "2020-01-01T00:00:00Z"},
    "POST /fallout-cases/{case_id}/relate": {"to": "F-1", "how": "related"},
    "POST /fallout-cases/{case_id}/reply": {"group": "{group}", "answer": "try it"},
    "POST /fallout-cases/{case_id}/wait": {"whom": "network", "what": "x", "until": "2099-01-01T00:00:00Z"},
    "POST /fallout-cases/{case_id}/resolve": {"type": "HandedOff", "text": "try it"},
    "POST /fallout-cases/actions": {"action": "go-on", "caseIds": "{caseIds}"},
    "POST /fallout-cases/{case_id}/repairs/preview": {"action": "RECONCILE_NOW"},
    "POST /fallout-cases/{case_id}/repairs/{repair_id}/run": {"hash": "0" * 64},
    "POST /fallout-cases/{case_id}/repairs/{repair_id}/approve": {"hash": "0" * 64},
    "POST /fallout-cases/{case_id}/repairs/{repair_id}/decline": {"hash": "0" * 64},
    "POST /rules/{rule}/withdraw": {"policySet": "none", **WHY},
    "POST /signals/admit": {"source": "MON", **WHY},
    "POST /signals": {},
    "POST /signals/batch": {},
    "POST /reports": {},
    "POST /policy-sets": {"files": {}, **WHY},
    "PUT /policy-drafts/{name}": {"files": {}, **WHY},
    "POST /policy-sets/{set_id}/moves/preview": {},
    "POST /policy-sets/{set_id}/moves": {"hash": "0" * 64, **WHY},
    "PUT /people/{name}": {"title": "Ada", "roles": ["king"], **WHY},
    "PUT /people/{name}/password": {"password": "a few words of theirs"},
    "POST /tokens": {"name": "ada", "roles": ["king"]},
}


async def commands_of(api: Api) -> set[str]:
    """Every method and path by which something is changed, as the OpenAPI has them."""
    paths = (await api.client.get("/openapi.json")).json()["paths"]
    return {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, verbs in paths.items()
        for method in verbs
        if method != "get" and path.startswith("/api/v1")
    }


async def somebody(api: Api, role: str, group: str) -> str:
    """A token of somebody with one role, who works for one group."""
    token, whose = new_token(), Actor("machine" if role == "machine" else "person", f"{role}-{group}")

    async def known(tx: Any) -> None:
        if whose.kind == "person":
            await access.ensure_person(tx, whose.name, role, [role], system("test"))
        await access.create_token(
            tx, api.context, person=whose.name, actor_kind=whose.kind, roles=[role], groups=[group],
            digest=digest_of(token), expires_at=None, actor=system("test"),
        )  # fmt: skip

    await api.database.transact(known)
    return token


async def ids_of(api: Api) -> dict[str, str]:
    """What the commands are about: a case whose outcome is unknown, a repair that waits for somebody, and more."""
    order = await play(api)
    await world.ask_in_vain(api.database, api.context)
    case = await the_case(api)
    asked = await api.post(
        f"/fallout-cases/{case['id']}/repairs/preview",
        {
            "action": "DECLARE_OUTCOME",
            "input": {"outcome": "done", "seen": "it is there", "where": "their portal", "reference": "X-1"},
            **WHY,
        },
    )
    return {
        "order_id": order, "task_id": case["taskId"], "verb": "resume", "command_id": case["commandId"],
        "case_id": case["id"], "repair_id": asked["id"], "rule": "G06", "code": "NONE", "set_id": api.context.newest.id,
        "name": "ada", "token_id": "1", "evidence_id": case["evidence"][0], "group": case["owner"]["group"],
    }  # fmt: skip


async def is_allowed(api: Api, command: str, ids: Mapping[str, str], token: str) -> bool:
    """Whether somebody may: whatever else is wrong with what they ask, it is not refused for want of a right."""
    method, _, path = command.partition(" ")
    named = {"caseIds": [ids["case_id"]], "group": ids["group"], "orderId": ids["order_id"]}
    body = {key: value if value != f"{{{key}}}" else named[key] for key, value in BODIES.get(command, WHY).items()}
    answer = await api.client.request(
        method, f"/api/v1{path.format(**ids)}", headers={"Authorization": f"Bearer {token}"},
        json=None if method in ("GET", "DELETE") else body,
    )  # fmt: skip
    assert answer.status_code < 500, f"{command}: {answer.text}"
    said = answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else {}
    each = [said, *((one["refusal"] or {}) for one in said.get("answers", ()))]
    return not any(one.get("code") == "NOT_ALLOWED" for one in each)


class WhenEveryRoleAsksForEverything:
    async def test_the_table_names_every_command(self, api: Api) -> None:
        writing = {command for command in TABLE if not command.startswith("GET")}
        assert await commands_of(api) - APART.keys() == writing

    async def test_each_is_allowed_and_refused_as_the_table_says(self, api: Api) -> None:
        ids = await ids_of(api)
        wrong = []
        for role in ROLES:
            for whose, group in (("own", ids["group"]), ("other", "COMPLIANCE")):
                token = await somebody(api, role, group)
                for command, row in TABLE.items():
                    expected = row[role] == "all" or (row[role] == "own" and whose == "own")
                    if await is_allowed(api, command, ids, token) != expected:
                        wrong.append(f"{role}, {whose} group, {command}: the table says {row[role]}")
        assert not wrong, "\n".join(wrong)
