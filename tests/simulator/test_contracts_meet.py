"""The shipped policy set, the HTTP connector and the sandbox speak the same language: what policy renders is understood
there, and what is answered there means here what really happened.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.simulator.outside import SECRETS, Sandbox, an_inbox

from fallsafe.connectors.http import HttpConnector
from fallsafe.connectors.port import Sendable
from fallsafe.core.commands.callback import Callback, read_callback
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, NotSent, Outcome, Rejected, Says
from fallsafe.core.events import Json
from fallsafe.policyset import load, shipped
from fallsafe.simulator.sandbox.kinds import PROCESSES, systems_of

POLICY = load(shipped())
ASKED = tuple(name for name in POLICY.operations if ".query" not in name)
AT_ONCE = 16
CALL_TIMEOUT = timedelta(seconds=0.5)
PATIENT = timedelta(seconds=10)


@pytest.fixture
async def connector(sandbox: Sandbox) -> AsyncIterator[HttpConnector]:
    """The connector that speaks to the sandbox."""
    systems = {code: sandbox.urls[name] for name in PROCESSES for code in systems_of(name)}
    made = HttpConnector(systems, SECRETS, frozenset({"127.0.0.1"}), time.monotonic)
    yield made
    await made.close()


def facts(key: str, about: str, inbox: str, account: str = "ACC-1") -> Mapping[str, Json]:
    """The facts of one command of an order."""
    source, external_id, item = about.split("/")
    order: dict[str, Json] = {"externalId": external_id, "source": source, "customerRef": "CU-1"}
    offered: dict[str, Json] = {
        "externalId": item, "offer": "FIBER-HOME-1G", "action": "add", "quantity": 1, "monthlyMinor": 4_500,
        "oneOffMinor": 6_000, "currency": "EUR", "characteristics": {}, "place": {},
    }  # fmt: skip
    results: Json = {"createBillingAccount": {"reference": account}, "activateFiberService": {"reference": "SRV-1"}}
    target: Json = {"key": key, "object": about, "reference": ""}
    return {
        "key": key, "object": about, "callbackUrl": inbox, "order": order, "item": offered, "results": results,
        "target": target, "task": {"step": "step", "type": "step"}, "verb": "retry",
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


def told(name: str, about: str, inbox: str = "http://127.0.0.1:9/") -> Mapping[str, Json]:
    """The facts of one operation's command in a test that asks them all."""
    mine = f"{about}-{name.lower()}"
    return facts(f"{mine}.step/fulfill/1", mine, inbox)


async def all_of(one: Callable[[str], Awaitable[None]]) -> None:
    """Asks for every operation, some at a time."""
    for start in range(0, len(ASKED), AT_ONCE):
        await asyncio.gather(*map(one, ASKED[start : start + AT_ONCE]))


async def until_told(connector: HttpConnector, name: str, told: Mapping[str, Json]) -> None:
    """Asks until the other side has finished, as one has to that never says so by itself."""
    while says(await look(connector, name, told)) == [Says.PENDING]:  # noqa: ASYNC110  # safe because a poll is asked
        await asyncio.sleep(0.05)


class WhenNothingGoesWrong:
    async def test_every_operation_is_done_or_accepted_and_every_look_up_finds_it(
        self, sandbox: Sandbox, connector: HttpConnector, about: str
    ) -> None:
        async with an_inbox() as inbox:

            async def one(name: str) -> None:
                mine, operation = told(name, about, inbox.url), POLICY.operations[name]
                ways, calls_back = len(operation.look_ups), operation.completion in ("callback", "file")
                later = operation.completion != "answer"
                assert says(await look(connector, name, mine)) == [Says.ABSENT] * ways, name
                outcome = (await connector.send(sendable(name, mine))).outcome
                assert isinstance(outcome, Accepted if later else Done), (name, outcome)
                assert outcome.reference, name
                if calls_back:
                    self.reads_as_done(name, mine, await inbox.about(str(mine["key"])))
                if operation.poll_every:
                    await until_told(connector, name, mine)
                assert says(await look(connector, name, mine)) == [Says.DONE] * ways, name
                assert sandbox.effects(str(mine["object"])) == int(operation.effect), name

            await all_of(one)

    @staticmethod
    def reads_as_done(name: str, mine: Mapping[str, Json], body: bytes) -> None:
        """What a system tells of its own accord is read as done, with a reference and its time."""
        contract = POLICY.systems[POLICY.operations[name].system].callback
        assert contract is not None, name
        read = read_callback(contract, json.loads(body), {"key": str(mine["key"]), "object": str(mine["object"])})
        assert isinstance(read, Callback), (name, read)
        assert (read.key, read.fact.says) == (mine["key"], Says.DONE), name
        assert read.fact.reference and read.fact.occurred_at, name


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
    async def test_the_outcome_never_says_more_than_is_known(
        self,
        sandbox: Sandbox,
        connector: HttpConnector,
        about: str,
        fault: dict[str, object],
        outcome: Lost,
        effects: int,
    ) -> None:
        await sandbox.script([{"operation": name, "match": f"{about}-{name.lower()}", **fault} for name in ASKED])

        async def one(name: str) -> None:
            mine, operation = told(name, about), POLICY.operations[name]
            timeout = CALL_TIMEOUT if outcome.reason == "timeout" else PATIENT
            said = (await connector.send(sendable(name, mine, timeout))).outcome
            found = says(await look(connector, name, mine))
            if Says.PENDING in found:
                await asyncio.sleep(0.2)
                found = says(await look(connector, name, mine))
            wanted = outcome.reason if operation.effect or outcome.reason != "cancelled_object" else "unreadable"
            assert isinstance(said, Lost) and said.reason == wanted, (name, said)
            assert sandbox.effects(str(mine["object"])) == effects * operation.effect, name
            assert found == [Says.DONE if effects else Says.ABSENT] * len(operation.look_ups), name

        await all_of(one)

    # fault, status, reason where the contract takes it for proof that nothing happened
    @pytest.mark.parametrize(("fault", "status", "reason"), [("busy", 503, "busy"), ("throttle", 429, "http_429")])
    async def test_only_what_a_contract_lists_proves_that_nothing_happened(
        self, sandbox: Sandbox, connector: HttpConnector, about: str, fault: str, status: int, reason: str
    ) -> None:
        mine = [{"operation": name, "match": f"{about}-{name.lower()}"} for name in ASKED]
        await sandbox.script([{**one, "fault": fault, "seconds": 3} for one in mine])

        async def one(name: str) -> None:
            said = (await connector.send(sendable(name, told(name, about)))).outcome
            if status in POLICY.operations[name].not_sent_statuses:
                assert said == NotSent(reason, f"http_{status}", timedelta(seconds=3)), name
            else:
                assert isinstance(said, Lost), (name, said)

        await all_of(one)

    async def test_a_refusal_is_rejected_with_the_code_and_the_words_of_the_system(
        self, sandbox: Sandbox, connector: HttpConnector, about: str
    ) -> None:
        script = [{"operation": name, "fault": "refuse", "text": "so it is"} for name in ASKED]
        await sandbox.script(script)

        async def one(name: str) -> None:
            said = (await connector.send(sendable(name, told(name, about)))).outcome
            assert isinstance(said, Rejected), (name, said)
            assert said.raw_code and "so it is" in said.message, name
            assert sandbox.effects(f"{about}-{name.lower()}") == 0, name

        await all_of(one)

    async def test_a_system_that_is_gone_was_not_sent_to(self, about: str) -> None:
        systems = dict.fromkeys(SECRETS, "http://127.0.0.1:9")
        connector = HttpConnector(systems, SECRETS, frozenset({"127.0.0.1"}), time.monotonic)
        for name in ASKED:
            assert (await connector.send(sendable(name, told(name, about)))).outcome == NotSent("refused"), name
        await connector.close()

    async def test_a_wrong_credential_is_rejected_as_such(self, sandbox: Sandbox, key: str, about: str) -> None:
        connector = HttpConnector(
            {"PRV": sandbox.urls["provisioning"]}, {"PRV": "wrong"}, frozenset({"127.0.0.1"}), time.monotonic
        )
        mine = facts(key, about, "http://127.0.0.1:9/")
        outcome = (await connector.send(sendable("PRV.activateService", mine))).outcome
        await connector.close()
        assert isinstance(outcome, Rejected)
        assert outcome.raw_code == "http_401"
