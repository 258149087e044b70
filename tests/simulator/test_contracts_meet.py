"""The shipped policy set, the HTTP connector and the sandbox speak the same language: what policy renders is understood
there, and what is answered there means here what really happened.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.simulator.outside import PROCESS_OF, SECRETS, Client, Sandbox, an_inbox

from fallsafe.connectors.http import HttpConnector
from fallsafe.connectors.port import Sendable
from fallsafe.core.commands.callback import Callback, read_callback
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, NotSent, Outcome, Rejected, Says
from fallsafe.core.events import Json
from fallsafe.policyset import load, shipped

POLICY = load(shipped())
EFFECTS = tuple(name for name, operation in POLICY.operations.items() if operation.effect)
CALL_TIMEOUT = timedelta(seconds=0.5)
PATIENT = timedelta(seconds=10)


@pytest.fixture
async def connector(sandbox: Sandbox) -> AsyncIterator[HttpConnector]:
    """The connector that speaks to the sandbox."""
    processes = {"BIL": "billing", "WHS": "logistics", "WFM": "logistics", "PRV": "provisioning"}
    systems = {code: sandbox.urls[name] for code, name in processes.items()}
    made = HttpConnector(systems, SECRETS, frozenset({"127.0.0.1"}), time.monotonic)
    yield made
    await made.close()


def facts(key: str, about: str, inbox: str, account: str = "BA-0") -> Mapping[str, Json]:
    """The facts of one command of the drill's order."""
    source, external_id, item = about.split("/")
    order: dict[str, Json] = {"externalId": external_id, "source": source, "customerRef": "CU-1"}
    offered: dict[str, Json] = {
        "externalId": item, "offer": "FIBER-HOME-1G", "action": "add", "quantity": 1, "monthlyMinor": 4_500,
        "currency": "EUR", "characteristics": {}, "place": {},
    }  # fmt: skip
    results: Json = {"createBillingAccount": {"reference": account}, "activateFiberService": {"reference": "SRV-1"}}
    target: Json = {"key": key, "object": about, "reference": ""}
    return {
        "key": key, "object": about, "callbackUrl": inbox, "order": order, "item": offered, "results": results,
        "target": target, "task": {"step": "step", "type": "step"},
    }  # fmt: skip


def sendable(name: str, told: Mapping[str, Json], timeout: timedelta = PATIENT) -> Sendable:
    """The command of an operation, rendered by policy."""
    operation = replace(POLICY.operations[name], call_timeout=timeout)
    asked = {"key": str(told["key"]), "object": str(told["object"])}
    request, until = operation.render(told), time.monotonic() + 60
    return Sendable(1, 1, 1, Purpose.FULFILL, asked["key"], operation, request, operation.answers, asked, until)


async def look(connector: HttpConnector, name: str, told: Mapping[str, Json]) -> list[Outcome]:
    """What every look-up of the operation's contract says."""
    outcomes = []
    for way in POLICY.operations[name].look_ups:
        command = sendable(name, told)
        query = replace(
            command, purpose=Purpose.QUERY, operation=replace(POLICY.operations[way.operation], call_timeout=PATIENT),
            request=way.render(told), answers=way.answers,
        )  # fmt: skip
        outcomes.append((await connector.send(query)).outcome)
    return outcomes


def says(outcomes: list[Outcome]) -> list[Says | str]:
    """The findings of look-ups."""
    return [outcome.says if isinstance(outcome, Looked) else type(outcome).__name__ for outcome in outcomes]


async def an_account(client: Client, name: str, about: str) -> str:
    """An open account, where the operation needs one."""
    if name != "BIL.createSubscription":
        return ""
    return str((await client.do("BIL.createAccount", f"{about}/account", "somebody"))[1]["accountId"])


class WhenNothingGoesWrong:
    @pytest.mark.parametrize("name", EFFECTS)
    async def test_it_is_done_or_accepted_and_looked_up(
        self, sandbox: Sandbox, connector: HttpConnector, key: str, about: str, name: str
    ) -> None:
        async with an_inbox() as inbox, sandbox.client(PROCESS_OF[name], inbox) as client:
            told = facts(key, about, inbox.url, await an_account(client, name, about))
            assert says(await look(connector, name, told)) == [Says.ABSENT, Says.ABSENT]
            outcome = (await connector.send(sendable(name, told))).outcome
            calls_back = POLICY.operations[name].completion == "callback"
            await inbox.until(int(calls_back))
            assert says(await look(connector, name, told)) == [Says.DONE, Says.DONE]
        assert isinstance(outcome, Accepted if calls_back else Done)
        assert outcome.reference
        assert sandbox.effects(about) == 1

    async def test_the_callback_is_read_as_done(
        self, sandbox: Sandbox, connector: HttpConnector, key: str, about: str
    ) -> None:
        async with an_inbox() as inbox, sandbox.client("provisioning", inbox) as client:
            told = facts(key, about, inbox.url)
            await connector.send(sendable("PRV.activateService", told))
            await inbox.until(1)
            body = (await client.look("PRV.activateService", key=key))[1]
        contract = POLICY.systems["PRV"].callback
        assert contract is not None
        read = read_callback(contract, json.loads(inbox.received[0][1]), {"key": key, "object": about})
        assert isinstance(read, Callback)
        assert (read.key, read.fact.says, read.fact.reference) == (key, Says.DONE, body["serviceRef"])
        assert read.fact.occurred_at is not None


class WhenSomethingGoesWrong:
    # fault, outcome, effects
    @pytest.mark.parametrize(
        ("fault", "outcome", "effects"),
        [
            ({"fault": "answer_lost_before_effect"}, Lost("timeout"), 0),
            ({"fault": "answer_lost_after_effect"}, Lost("timeout"), 1),
            ({"fault": "slow", "seconds": 5}, Lost("timeout"), 1),
            ({"fault": "down", "code": "reset"}, Lost("reset"), 0),
            ({"fault": "down"}, Lost("http_503"), 0),
            ({"fault": "throttle", "seconds": 2}, NotSent("http_429"), 0),
            ({"fault": "http_500_before"}, Lost("http_500"), 0),
            ({"fault": "http_500_after"}, Lost("http_500"), 1),
            ({"fault": "unreadable"}, Lost("unreadable"), 0),
            ({"fault": "unreadable", "effect": True}, Lost("unreadable"), 1),
            ({"fault": "other_key"}, Lost("other_key"), 0),
            ({"fault": "other_object"}, Lost("other_object"), 0),
            ({"fault": "cancelled_object"}, Lost("cancelled_object"), 0),
        ],
        ids=lambda value: value["fault"] if isinstance(value, dict) else None,
    )
    @pytest.mark.parametrize("name", EFFECTS)
    async def test_the_outcome_never_says_more_than_is_known(
        self,
        sandbox: Sandbox,
        connector: HttpConnector,
        key: str,
        about: str,
        name: str,
        fault: dict[str, object],
        outcome: Outcome,
        effects: int,
    ) -> None:
        hangs = isinstance(outcome, Lost) and outcome.reason == "timeout"
        async with sandbox.client(PROCESS_OF[name]) as client:
            told = facts(key, about, client.inbox.url, await an_account(client, name, about))
            await client.control.set_faults([{"operation": name, "match": about, **fault}])
            said = (await connector.send(sendable(name, told, CALL_TIMEOUT if hangs else PATIENT))).outcome
            found = says(await look(connector, name, told))
            if found[0] is Says.PENDING:
                await asyncio.sleep(0.2)
                found = says(await look(connector, name, told))
        assert (type(said), getattr(said, "reason", "")) == (type(outcome), getattr(outcome, "reason", ""))
        assert sandbox.effects(about) == effects
        assert found == [Says.DONE if effects else Says.ABSENT] * 2

    @pytest.mark.parametrize("name", EFFECTS)
    async def test_a_refusal_is_rejected_with_the_code_of_the_system(
        self, sandbox: Sandbox, connector: HttpConnector, key: str, about: str, name: str
    ) -> None:
        async with sandbox.client(PROCESS_OF[name]) as client:
            await client.control.set_faults([{"operation": name, "fault": "refuse", "text": "so it is"}])
            outcome = (await connector.send(sendable(name, facts(key, about, client.inbox.url)))).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.raw_code
        assert outcome.message == "so it is"
        assert sandbox.effects(about) == 0

    @pytest.mark.parametrize("name", [name for name in EFFECTS if not name.startswith("PRV.")])
    async def test_a_busy_system_was_not_sent_to(
        self, sandbox: Sandbox, connector: HttpConnector, key: str, about: str, name: str
    ) -> None:
        async with sandbox.client(PROCESS_OF[name]) as client:
            await client.control.set_faults([{"operation": name, "fault": "busy", "seconds": 3}])
            outcome = (await connector.send(sendable(name, facts(key, about, client.inbox.url)))).outcome
        assert outcome == NotSent("busy", "http_503", timedelta(seconds=3))

    @pytest.mark.parametrize("name", EFFECTS)
    async def test_a_system_that_is_gone_was_not_sent_to(self, key: str, about: str, name: str) -> None:
        systems = dict.fromkeys(SECRETS, "http://127.0.0.1:9")
        connector = HttpConnector(systems, SECRETS, frozenset({"127.0.0.1"}), time.monotonic)
        told = facts(key, about, "http://127.0.0.1:9/")
        assert (await connector.send(sendable(name, told))).outcome == NotSent("refused")
        await connector.close()

    async def test_a_wrong_credential_is_rejected_as_such(self, sandbox: Sandbox, key: str, about: str) -> None:
        connector = HttpConnector(
            {"PRV": sandbox.urls["provisioning"]}, {"PRV": "wrong"}, frozenset({"127.0.0.1"}), time.monotonic
        )
        told = facts(key, about, "http://127.0.0.1:9/")
        outcome = (await connector.send(sendable("PRV.activateService", told))).outcome
        await connector.close()
        assert isinstance(outcome, Rejected)
        assert outcome.raw_code == "http_401"
