"""The sandbox: systems that do what they are asked once, or go wrong as told, and remember it on disk (§26)."""

import asyncio
import json

import pytest
from tests.simulator.outside import PROCESS_OF, SECRETS, Client, Sandbox, an_inbox

from fallsafe.security.signature import verify
from fallsafe.simulator.sandbox import judge
from fallsafe.simulator.sandbox.control import ControlError

ACTIVATE = "PRV.activateService"


async def prepared(client: Client, operation: str, about: str) -> dict[str, str]:
    """What a request needs that another one makes: a subscription hangs on an account."""
    if operation != "BIL.createSubscription":
        return {}
    _, account = await client.do("BIL.createAccount", f"{about}/account", "somebody")
    return {"accountId": account["accountId"]}


async def lost(client: Client, operation: str, key: str, about: str) -> None:
    """Sends a request that is never answered."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await client.do(operation, key, about)


class WhenNothingIsScripted:
    # operation, status of the first request, of its repeat
    @pytest.mark.parametrize(
        ("operation", "first", "repeat"),
        [
            ("BIL.createAccount", 201, 200),
            ("BIL.createSubscription", 201, 200),
            ("WHS.reserve", 201, 200),
            ("WFM.book", 201, 409),
            ("PRV.activateService", 202, 409),
            ("PRV.configureIp", 202, 409),
        ],
    )
    async def test_a_thing_is_made_once_however_often_its_key_comes(
        self, sandbox: Sandbox, key: str, about: str, operation: str, first: int, repeat: int
    ) -> None:
        async with an_inbox() as inbox, sandbox.client(PROCESS_OF[operation], inbox) as client:
            fields = await prepared(client, operation, about)
            statuses = [(await client.do(operation, key, about, **fields))[0] for _ in range(3)]
            await inbox.until(1 if operation.startswith("PRV.") else 0)
            status, by_key = await client.look(operation, key=key)
            _, by_reference = await client.look(operation, about=about)
        assert statuses == [first, repeat, repeat]
        assert (status, by_key) == (200, by_reference)
        assert by_key["object"] == about
        assert sandbox.effects(about) == 1

    async def test_another_key_for_the_same_object_is_a_second_effect_that_the_judge_sees(
        self, sandbox: Sandbox, about: str
    ) -> None:
        async with sandbox.client("billing") as client:
            for n in (1, 2):
                await client.do("BIL.createAccount", f"{about}/{n}", about)
            assert (await client.control.effects())[f"BIL.createAccount {about}"] == 2
        assert sandbox.effects(about) == 2
        assert judge.effects_by_key(sandbox.home)[f"{about}/1"] == 1

    async def test_what_is_not_known_is_not_found(self, sandbox: Sandbox, key: str) -> None:
        async with sandbox.client("billing") as client:
            status, body = await client.look("BIL.createAccount", key=key)
        assert (status, body["error"]["code"]) == (404, "BC-1404 NOT_FOUND")

    async def test_a_refused_subscription_is_refused_for_its_key_for_ever(
        self, sandbox: Sandbox, key: str, about: str
    ) -> None:
        async with sandbox.client("billing") as client:
            first = await client.do("BIL.createSubscription", key, about, accountId="BA-0")
            account = await prepared(client, "BIL.createSubscription", about)
            again = await client.do("BIL.createSubscription", key, about, **account)
            other = await client.do("BIL.createSubscription", f"{key}2", about, **account)
        assert first[0] == again[0] == 404
        assert again[1]["error"]["code"] == "BC-1404 ACCOUNT_NOT_FOUND"
        assert other[0] == 201

    async def test_a_key_that_was_used_for_something_else_is_refused(
        self, sandbox: Sandbox, key: str, about: str
    ) -> None:
        async with sandbox.client("billing") as client:
            await client.do("BIL.createAccount", key, about)
            status, body = await client.do("BIL.createAccount", key, f"{about}-2")
        assert (status, body["error"]["code"]) == (409, "KEY_REUSED")

    async def test_a_request_without_credentials_is_refused_and_written_down(
        self, sandbox: Sandbox, key: str, about: str
    ) -> None:
        async with sandbox.client("logistics") as client:
            body = {"reference": key, "object": about, "sku": "R", "quantity": 1}
            async with client.session.post(f"{client.url}/reservations", json=body) as answer:
                assert answer.status == 401
        seen = sandbox.requests("logistics", key)
        assert [(one.operation, one.object, one.status) for one in seen] == [("WHS.reserve", about, 401)]
        assert sandbox.effects(about) == 0

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"reference":"a"}', b'{"reference":7,"object":"o"}', b"\xff"])
    async def test_a_wrong_request_is_refused_in_the_words_of_the_system(self, sandbox: Sandbox, body: bytes) -> None:
        async with sandbox.client("logistics") as client:
            headers = {"Authorization": f"Bearer {SECRETS['WHS']}"}
            async with client.session.post(f"{client.url}/reservations", data=body, headers=headers) as answer:
                assert (answer.status, (await answer.json())["code"]) == (400, "BAD_REQUEST")


class WhenAFaultStrikes:
    # fault, status of the answer, effects
    @pytest.mark.parametrize(
        ("fault", "status", "effects"),
        [
            ({"fault": "refuse"}, 409, 0),
            ({"fault": "refuse", "status": 422, "code": "SKU_UNKNOWN"}, 422, 0),
            ({"fault": "down"}, 503, 0),
            ({"fault": "down", "seconds": 3}, 503, 0),
            ({"fault": "busy"}, 503, 0),
            ({"fault": "throttle"}, 429, 0),
            ({"fault": "http_500_before"}, 500, 0),
            ({"fault": "http_500_after"}, 500, 1),
            ({"fault": "unreadable"}, 200, 0),
            ({"fault": "unreadable", "effect": True}, 200, 1),
            ({"fault": "other_key"}, 201, 0),
            ({"fault": "other_object"}, 201, 0),
            ({"fault": "cancelled_object"}, 201, 0),
            ({"fault": "slow", "seconds": 0.05}, 201, 1),
            ({"fault": "effect_late", "seconds": 60}, 201, 1),
        ],
        ids=lambda value: value["fault"] if isinstance(value, dict) else None,
    )
    async def test_it_strikes_what_it_is_for_once_and_then_all_is_well(
        self, sandbox: Sandbox, key: str, about: str, fault: dict[str, object], status: int, effects: int
    ) -> None:
        async with sandbox.client("logistics") as client:
            await client.control.set_faults([{"operation": "WHS.reserve", "match": about, **fault}])
            another = await client.do("WHS.reserve", "another", "CRM/another/router")
            struck = await client.do("WHS.reserve", key, about)
            seen = sandbox.effects(about)
            again = await client.do("WHS.reserve", key, about)
        assert (another[0] in (200, 201), struck[0], again[0] in (200, 201)) == (True, status, True)
        assert (seen, sandbox.effects(about)) == (effects, 1)
        assert [one.fault for one in sandbox.requests("logistics", key)] == [fault["fault"], ""]

    # fault, effects, what a repeat of the same key is told
    @pytest.mark.parametrize(
        ("fault", "effects", "state", "repeat"),
        [("answer_lost_before_effect", 0, None, 202), ("answer_lost_after_effect", 1, "ACTIVE", 409)],
    )
    async def test_a_lost_answer_is_never_given_and_the_judge_knows_whether_it_was_done(
        self, sandbox: Sandbox, key: str, about: str, fault: str, effects: int, state: str | None, repeat: int
    ) -> None:
        async with sandbox.client("provisioning") as client:
            await client.control.set_faults([{"operation": ACTIVATE, "match": about, "fault": fault}])
            await lost(client, ACTIVATE, key, about)
            found = [await client.look(ACTIVATE, key=key), await client.look(ACTIVATE, about=about)]
            done = sandbox.effects(about)
            again = await client.do(ACTIVATE, key, about)
        assert [body.get("state") for _, body in found] == [state, state]
        assert (done, again[0]) == (effects, repeat)
        seen = [one for one in sandbox.requests("provisioning", key) if one.operation == ACTIVATE]
        assert [one.status for one in seen] == [None, repeat]

    async def test_a_connection_is_reset_where_a_machine_goes_down(
        self, sandbox: Sandbox, key: str, about: str
    ) -> None:
        async with sandbox.client("billing") as client:
            await client.control.set_faults([{"operation": "BIL.createAccount", "fault": "down", "code": "reset"}])
            with pytest.raises(OSError):
                await client.do("BIL.createAccount", key, about)
        assert sandbox.effects(about) == 0

    async def test_look_ups_can_be_blind_for_a_time(self, sandbox: Sandbox, key: str, about: str) -> None:
        async with sandbox.client("logistics") as client:
            await client.control.set_faults([{"operation": "WHS.reserve", "fault": "not_found_for", "seconds": 1}])
            await client.do("WHS.reserve", key, about)
            blind = [(await client.look("WHS.reserve", key=key))[0], (await client.look("WHS.reserve", about=about))[0]]
            await asyncio.sleep(1)
            assert (await client.look("WHS.reserve", key=key))[0] == 200
        assert blind == [404, 404]

    async def test_a_late_effect_is_real_before_it_is_seen(self, sandbox: Sandbox, key: str, about: str) -> None:
        async with an_inbox() as inbox, sandbox.client("provisioning", inbox) as client:
            await client.control.set_faults([{"operation": ACTIVATE, "fault": "effect_late", "seconds": 0.6}])
            await client.do(ACTIVATE, key, about)
            unseen = (await client.look(ACTIVATE, key=key))[0]
            await inbox.until(1)
            assert (await client.look(ACTIVATE, key=key))[1]["state"] == "ACTIVE"
        assert (unseen, sandbox.effects(about)) == (404, 1)

    async def test_look_ups_have_faults_of_their_own(self, sandbox: Sandbox, key: str, about: str) -> None:
        async with sandbox.client("billing") as client:
            await client.do("BIL.createAccount", key, about)
            faults = ("http_500_before", "other_key", "other_object", "cancelled_object", "down")
            await client.control.set_faults([{"operation": "BIL.queryAccount", "fault": one} for one in faults])
            answers = [await client.look("BIL.createAccount", key=key) for _ in (*faults, "")]
        assert [status for status, _ in answers] == [500, 200, 200, 200, 503, 200]
        assert answers[1][1]["key"] != key
        assert answers[2][1]["object"] != about
        assert answers[3][1]["state"] == "CANCELLED"
        assert answers[5][1]["key"] == key

    # fault, part of the refusal
    @pytest.mark.parametrize(
        ("fault", "says"),
        [
            ({"operation": "PRV.activate", "fault": "slow", "seconds": 1}, "/faults/0/operation"),
            ({"operation": ACTIVATE, "fault": "explode"}, "/faults/0/fault"),
            ({"operation": ACTIVATE, "fault": "slow"}, "needs seconds"),
            ({"operation": ACTIVATE, "fault": "slow", "seconds": -1}, "/faults/0/seconds"),
            ({"operation": ACTIVATE, "fault": "busy", "times": 0.5}, "/faults/0/times"),
            ({"operation": ACTIVATE, "fault": "busy", "tims": 1}, "no such field"),
            ({"operation": "PRV.queryIp", "fault": "callback_never"}, "calls nobody back"),
        ],
    )
    async def test_a_wrong_script_is_refused_and_the_old_one_stands(
        self, sandbox: Sandbox, fault: dict[str, object], says: str
    ) -> None:
        async with sandbox.client("provisioning") as client:
            await client.control.set_faults([{"operation": ACTIVATE, "fault": "busy"}])
            for change in (client.control.add_faults, client.control.set_faults):
                with pytest.raises(ControlError, match=says):
                    await change([fault])
            assert [one["fault"] for one in await client.control.faults()] == ["busy"]


class WhenProvisioningCallsBack:
    async def test_the_callback_is_signed_and_names_key_and_object(
        self, sandbox: Sandbox, key: str, about: str
    ) -> None:
        async with an_inbox() as inbox, sandbox.client("provisioning", inbox) as client:
            _, accepted = await client.do(ACTIVATE, key, about, callbackUrl=f"{inbox.url}?key=CRM%2F777")
            await inbox.until(1)
        headers, body, path = inbox.received[0]
        told = json.loads(body)
        assert verify(SECRETS["PRV"], body, headers["X-Signature"])
        assert not verify("another secret", body, headers["X-Signature"])
        assert (told["commandId"], told["object"], told["status"]) == (key, about, "ACTIVE")
        assert told["serviceRef"] == accepted["result"]["serviceRef"]
        assert path.endswith("?key=CRM%2F777")

    async def test_it_tries_again_until_somebody_has_it(self, sandbox: Sandbox, key: str, about: str) -> None:
        async with an_inbox() as inbox, sandbox.client("provisioning", inbox) as client:
            inbox.statuses = [500, 202]
            await client.do(ACTIVATE, key, about)
            await inbox.until(2)
        assert inbox.received[0][1] == inbox.received[1][1]

    # fault, callbacks, their status, effects
    @pytest.mark.parametrize(
        ("fault", "callbacks", "status", "effects"),
        [
            ({"fault": "callback_twice"}, 2, "ACTIVE", 1),
            ({"fault": "callback_rejected", "code": "PORT_FAULT"}, 1, "REJECTED", 0),
            ({"fault": "callback_late", "seconds": 0.2}, 1, "ACTIVE", 1),
            ({"fault": "answer_lost_after_effect", "callback": True}, 1, "ACTIVE", 1),
        ],
        ids=lambda value: value["fault"] if isinstance(value, dict) else None,
    )
    async def test_it_calls_back_as_told(
        self,
        sandbox: Sandbox,
        key: str,
        about: str,
        fault: dict[str, object],
        callbacks: int,
        status: str,
        effects: int,
    ) -> None:
        async with an_inbox() as inbox, sandbox.client("provisioning", inbox) as client:
            await client.control.set_faults([{"operation": ACTIVATE, **fault}])
            if fault["fault"] == "answer_lost_after_effect":
                await lost(client, ACTIVATE, key, about)
            else:
                await client.do(ACTIVATE, key, about)
            await inbox.until(callbacks)
            found = await client.look(ACTIVATE, key=key)
        told = [json.loads(body) for _, body, _ in inbox.received]
        assert {(one["status"], one["eventId"]) for one in told} == {(status, told[0]["eventId"])}
        assert found[1]["state"] == status
        assert found[1].get("code") == told[0].get("code") == fault.get("code")
        assert sandbox.effects(about) == effects

    async def test_a_callback_that_never_comes_leaves_the_effect(self, sandbox: Sandbox, key: str, about: str) -> None:
        async with an_inbox() as inbox, sandbox.client("provisioning", inbox) as client:
            await client.control.set_faults([{"operation": ACTIVATE, "match": key, "fault": "callback_never"}])
            await client.do(ACTIVATE, key, about)
            await client.do(ACTIVATE, f"other/{about}", f"other/{about}")
            await inbox.until(1)
            assert (await client.look(ACTIVATE, key=key))[1]["state"] == "ACTIVE"
        assert [json.loads(body)["commandId"] for _, body, _ in inbox.received] == [f"other/{about}"]
