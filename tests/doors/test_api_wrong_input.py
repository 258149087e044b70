"""Wrong input at the repair of a case, one thing after another on one installation: each is refused in words that say
where, is in the journal, and has changed nothing.
"""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from tests.doors.conftest import Api
from tests.doors.every_door import Doors, every_door
from tests.doors.test_api_cases import play, the_case
from tests.doors.test_api_mending import seen_of
from tests.doors.test_api_repairs import go_on
from tests.flows import orders as world

from fallsafe.core.commands.outcome import Rejected
from fallsafe.store.ids import inside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Why

NO_ACCOUNT = {"BIL.createSubscription": Rejected("BC-1404 ACCOUNT_NOT_FOUND", "acct 88121 unknown")}
PROOF = "screen 4 shows the tax number of this customer"
SCRIPT = "<script>alert(1)</script>"
FIX: dict[str, Any] = {"action": "FIX_ACCOUNT_MAPPING", "input": {"accountId": "BA-1", "proof": PROOF}}


class Wrong(NamedTuple):
    """What is asked, below the case, by whom, and what is heard."""

    what: str
    path: str
    body: Any
    status: int
    code: str
    pointer: str = ""
    role: str = "operator"
    headers: dict[str, str] = {}  # noqa: RUF012  safe because nothing writes to it


def given(**more: object) -> dict[str, Any]:
    """The right request with its input changed."""
    return {**FIX, "input": {name: v for name, v in {**FIX["input"], **more}.items() if v is not None}}


PAPER = {"name": "letter.txt", "mediaType": "text/plain", "content": "YQ=="}
PREVIEW, RUN, COMMENT = "repairs/preview", "repairs/{repair}/run", "comment"
WRONG = (
    Wrong("no action", PREVIEW, {}, 400, "FIELD_MISSING", "/action"),
    Wrong("a field too many", PREVIEW, {**FIX, "sql": "update"}, 400, "FIELD_UNKNOWN", "/sql"),
    Wrong("an action that is none", PREVIEW, {**FIX, "action": "EDIT_PAYLOAD"}, 409, "ACTION_NOT_AVAILABLE", "/action"),
    Wrong("an action for others", PREVIEW, {"action": "RENEW_RESERVATION"}, 409, "ACTION_NOT_FOR_THIS", "/action"),
    Wrong("input that is missing", PREVIEW, given(proof=None), 422, "INPUT_WRONG", "/input/proof"),
    Wrong("input that is unknown", PREVIEW, given(monthlyMinor=1), 422, "INPUT_WRONG", "/input/monthlyMinor"),
    Wrong("input of another kind", PREVIEW, given(proof={"a": 1}), 422, "INPUT_WRONG", "/input/proof"),
    Wrong("a script for a name", PREVIEW, given(accountId=SCRIPT), 422, "INPUT_WRONG", "/input/accountId"),
    Wrong("a role that may not", PREVIEW, FIX, 403, "NOT_ALLOWED", role="auditor"),
    Wrong("a machine", PREVIEW, FIX, 403, "NOT_ALLOWED", role="machine"),
    Wrong("a version that is over", PREVIEW, FIX, 412, "VERSION", headers={"If-Match": '"1"'}),
    Wrong("no JSON", PREVIEW, b"{", 400, "NOT_JSON"),
    Wrong("no JSON by its name", PREVIEW, b"{}", 415, "MEDIA_TYPE", headers={"Content-Type": "text/html"}),
    Wrong("a key for another body", PREVIEW, FIX, 409, "IDEMPOTENCY_KEY_REUSED", headers={"Idempotency-Key": "k"}),
    Wrong("no hash", RUN, {}, 400, "FIELD_MISSING", "/hash"),
    Wrong("the hash of another preview", RUN, {"hash": "0" * 64}, 409, "OTHER_PREVIEW", "/hash"),
    Wrong("a repair that is none", "repairs/RA-1/run", {"hash": "0" * 64}, 404, "NOT_FOUND"),
    Wrong("what nobody agreed to", RUN, {"hash": "{hash}"}, 409, "APPROVAL_NEEDED"),
    Wrong("one's own approval", "repairs/{repair}/approve", {"hash": "{hash}"}, 403, "SELF_APPROVAL"),
    Wrong("ten million letters", COMMENT, {"text": "x" * 10_000_000}, 413, "TOO_LARGE"),
    Wrong("a comment of nothing", COMMENT, {"text": ""}, 400, "", "/text"),
    Wrong("a time that is none", "wait", {"whom": "x", "what": "y", "until": "soon"}, 400, "", "/until"),
    Wrong("work on a version that is over", "claim", {}, 412, "VERSION", headers={"If-Match": '"1"'}),
    Wrong("evidence that is no bytes", "evidence", {**PAPER, "content": "%%%"}, 400, "NOT_BASE64", "/content"),
    Wrong("evidence without a name", "evidence", {**PAPER, "name": ""}, 400, "", "/name"),
    Wrong("a way to end that is none", "resolve", {"type": "Done", "text": "it is"}, 400, "", "/type"),
)  # fmt: skip

LONG = {"text": "x" * 70_000}
# Forms of pages: where they are sent, what is in them, and what is heard.
FORMS: tuple[tuple[str, dict[str, str], int, str], ...] = (
    ("/cases/{case}/work/comment", {}, 400, "FORM_INCOMPLETE"),
    ("/cases/{case}/work/comment", LONG, 413, "TOO_LARGE"),
    ("/cases/{case}/work/wait", {"whom": "x", "what": "y", "until": SCRIPT}, 400, "FORM_INCOMPLETE"),
    ("/cases/{case}/work/resolve", {"type": SCRIPT, "text": "it is"}, 400, "FORM_INCOMPLETE"),
    ("/cases/{case}/work/explode", {}, 400, "FORM_INCOMPLETE"),
    ("/cases/F-1/work/claim", {}, 404, "NOT_FOUND"),
    ("/cases/F-1/reconcile", {}, 404, "NOT_FOUND"),
    ("/cases/{case}/repairs/new/NOTHING", {}, 404, "NOT_FOUND"),
    ("/cases/{case}/repairs/RA-1/run", {"hash": "0" * 64}, 404, "NOT_FOUND"),
    ("/orders/{order}/cases", {"reason": "why not"}, 400, "FORM_INCOMPLETE"),
    ("/queue/work", {"action": "claim"}, 400, "FORM_INCOMPLETE"),
    ("/queue/work", {"action": "comment", "ids": "F-1"}, 400, "FORM_INCOMPLETE"),
    ("/queue/next", {"q": "severity:"}, 400, "FILTER"),
    ("/views", {"q": "severity:", "title": "mine"}, 400, "FORM_INCOMPLETE"),
    ("/people", {"name": SCRIPT, "title": "Ada", "roles": "operator", "reason": "x"}, 409, "NAME_WRONG"),
    ("/people/a-admin/password", {"password": "no"}, 409, "PASSWORD_WEAK"),
    ("/cases/{case}/work/claim", {"csrf": "of another session"}, 403, "FOREIGN_FORM"),
    ("/cases/{case}/repairs/RA-1/run", {"csrf": ""}, 403, "FOREIGN_FORM"),
)


async def stands(api: Api, case: str, order: str) -> dict[str, Any]:
    """All that there is of the case and its order, but for how often something was written down."""
    found = {
        "case": await api.get(f"/fallout-cases/{case}"),
        "order": await api.get(f"/orders/{order}"),
        "commands": await api.get(f"/orders/{order}/commands", limit=200),
        "repairs": await api.get(f"/fallout-cases/{case}/repairs"),
        "comments": await api.get(f"/fallout-cases/{case}/comments"),
        "agenda": await api.database.fetch("agenda/of_orders", ids=[inside("order", order)]),
    }
    return json.loads(json.dumps(found, default=str), object_hook=_without_the_trail)


def _without_the_trail(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in ("version", "lastAt", "events")}


async def records(api: Api) -> list[dict]:
    """Every record, as the feed tells it."""
    found, after = list[dict](), ""
    while True:
        page = await api.get("/events", limit=200, after=after)
        found += [event["data"] for event in page["items"]]
        if not page["items"]:
            return found
        after = page["after"]


class WhenWhatIsAskedIsWrong:
    async def test_each_is_refused_with_its_place_is_journaled_and_changes_nothing(self, api: Api) -> None:
        order = await play(api, NO_ACCOUNT)
        case = (await the_case(api))["id"]
        seen = await seen_of(api, case, FIX["action"], **FIX["input"])
        one = f"/api/v1/fallout-cases/{case}"
        key = {"Idempotency-Key": "k", **api.as_("operator")}
        kept = await api.client.post(f"{one}/{PREVIEW}", headers=key, json={"action": "FREEZE"})
        assert kept.status_code == 200
        before, told = await stands(api, case, order), len(await records(api))
        for wrong in WRONG:
            body = wrong.body
            if isinstance(body, dict) and body.get("hash") == "{hash}":
                body = {**body, "hash": seen["hash"]}
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers = api.as_(wrong.role, **{"Content-Type": "application/json"} | wrong.headers)
            path = f"{one}/{wrong.path.format(repair=seen['id'])}"
            answer = await api.client.post(path, headers=headers, content=content)
            said = answer.json()
            assert answer.status_code == wrong.status, (wrong.what, said)
            assert said["code"] == wrong.code or (not wrong.code and said["code"]), (wrong.what, said)
            places = {said["pointer"], *(error["pointer"] for error in said.get("errors", ()))}
            assert wrong.pointer in places, (wrong.what, said)
            assert said["detail"] and SCRIPT not in answer.text and len(answer.text) < 5_000
            assert await stands(api, case, order) == before, wrong.what
            new = (await records(api))[told:]
            told += len(new)
            assert [(r["verb"][:7], r["facts"]["code"]) for r in new] == [("refuse_", said["code"])], (wrong.what, new)
            assert new[0]["actor"].endswith(f":a-{wrong.role}")

        slash = await api.client.get(f"{one}/repairs/", headers=api.as_("operator"))
        assert slash.status_code == 404  # a name that is left out names nothing
        assert await go_on(api) == []
        await self._a_yes_that_is_too_old(api, seen)
        async with every_door(api) as doors:
            await api.post(f"/fallout-cases/{case}/comment", {"text": SCRIPT})
            page = (await (await doors.browser("operator")).get(f"/cases/{case}")).text
            assert SCRIPT not in page and "&lt;script&gt;alert(1)" in page
            await self._forms(api, doors, case, order)

    async def _forms(self, api: Api, doors: Doors, case: str, order: str) -> None:
        """The same at the pages: what a form lacks is said, is in the journal once, and has changed nothing."""
        await doors.browser("admin")
        before, told = await stands(api, case, order), len(await records(api))
        for path, form, status, code in FORMS:
            answer = await doors.page("admin", path.format(case=case, order=order), **form)
            assert answer.status_code == status and SCRIPT not in answer.text, (path, answer.text)
            assert await stands(api, case, order) == before, path
            new = (await records(api))[told:]
            told += len(new)
            assert [(r["verb"], r["facts"]["code"]) for r in new] == [("refuse_request", code)], (path, form, new)
            assert new[0]["actor"] == "person:a-admin"

    async def _a_yes_that_is_too_old(self, api: Api, seen: dict) -> None:
        """What was agreed to and lay too long is void: it is neither agreed to nor run."""
        case = await the_case(api)
        one = f"/fallout-cases/{case['id']}/repairs/{seen['id']}"
        await api.post(f"{one}/approve", {"hash": seen["hash"]}, "manager")

        async def grow_old(tx: Tx) -> None:
            (order,) = await tx.lock([inside("order", case["orderId"]) or 0])
            await tx.load_repairs()
            old = order.repairs[inside("repair", seen["id"]) or 0]
            late = await tx.now() - timedelta(seconds=1)
            order.put(replace(old, expires_at=late), "age", Why(world.ACTOR, "a test"))

        await api.database.transact(grow_old)
        over = await api.post(f"{one}/run", {"hash": seen["hash"]}, status=409)
        assert (over["code"], "good until" in over["detail"]) == ("PREVIEW_EXPIRED", True)
        again = await api.post(f"{one}/run", {"hash": seen["hash"]}, status=409)
        assert again["code"] == "REPAIR_ENDED" and again["hint"] == "preview it again"
        assert (await api.get(one))["state"] == "voided" and await go_on(api) == []
        seen = await seen_of(api, case["id"], FIX["action"], **FIX["input"])
        await api.database.transact(grow_old)
        one = f"/fallout-cases/{case['id']}/repairs/{seen['id']}"
        late = await api.post(f"{one}/approve", {"hash": seen["hash"]}, "manager", 409)
        assert (late["code"], "good until" in late["detail"]) == ("PREVIEW_EXPIRED", True)
        assert await go_on(api) == []
