"""Failures that others have reported in public, retold at our own systems: unknown outcomes (A), callbacks (B), work
that is done twice at once (C), states that contradict each other (F). Each test names the report by its kind, takes its
steps in their order through the doors, and asserts what must not happen.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.crash.outside import PROCESS_OF, Installation, forge, installation, order, until
from tests.spec.at_real_systems import PARCEL, WAIT_SECONDS, command, effects, goes_wrong, is_completed, told

from fallsafe.security.signature import sign

ACTIVATION = "fiber.activateFiberService"
GOES_WRONG = (
    goes_wrong("lost", "BIL.createSubscription", "answer_lost_after_effect"),
    goes_wrong("lost", "BIL.querySubscription", "slow", seconds=3),
    goes_wrong("label", "WHS.ship", "answer_lost_after_effect"),
    goes_wrong("label", "WHS.queryShipment", "slow", seconds=3),
    goes_wrong("dead", "WHS.reserve", "cancelled_object"),
    goes_wrong("again", "PRV.configureIp", "throttle", times=3),
    goes_wrong("twins", "WFM.book", "refuse", code="DUPLICATE_REQUEST", status=409),
    goes_wrong("early", "PRV.activateService", "callback_never"),
    goes_wrong("mixed", "PRV.activateService", "callback_never"),
    goes_wrong("late", "PRV.activateService", "callback_never"),
    goes_wrong("late", "PRV.queryActivation", "http_500_before", times=None),
    goes_wrong("server", "PRV.activateService", "refuse", code="PARAM_MISSING"),
)
AT_ONCE = ("dead", "again", "twins", "late", "server")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with two workers and most of the orders, each of which meets what a report tells of."""
    script: dict[str, list[dict[str, object]]] = {}
    for fault in GOES_WRONG:
        script.setdefault(PROCESS_OF[str(fault["operation"])[:3]], []).append(fault)
    with installation(tmp_path_factory.mktemp("reports") / "home", script) as made, forge(made.environment) as smith:
        for name in ("api", "worker-1", "worker-2"):
            smith.start(name, made.home / "log" / f"{name}.log", made.environment)
        until(made.answers, 30, "the API does not answer")
        for name in AT_ONCE:
            made.ask("/orders", order(name))
        yield made


def hand_in(there: Installation, name: str, items: Sequence[tuple[str, str]] = ()) -> None:
    """An order, now, so that what happens to it can be met under way."""
    asked = order(name)
    if items:
        made = [{"externalId": i, "offer": o, "action": "add", "currency": "EUR"} for i, o in items]
        asked["items"] = [made[0], *({**item, "parent": "fiber"} for item in made[1:])]
    there.ask("/orders", asked)


def until_sent(there: Installation, name: str, step: str, *states: str) -> dict[str, Any]:
    """The command of a step, once it is in one of these states."""

    def found() -> list[dict[str, Any]]:
        commands = there.ask(f"/orders/CRM:{name}/commands?limit=200")["items"]
        return [c for c in commands if c["key"] == f"CRM/{name}/{step}/fulfill/1" and c["state"] in states]

    until(found, WAIT_SECONDS, lambda: f"{name}.{step} is not {states}: {told(there, name)['tasks']}")
    return found()[0]


def call_back(there: Installation, name: str, event: str, status: str, **more: object) -> int:
    """The provisioning system speaks of an activation, signed."""
    said = {"eventId": event, "commandId": f"CRM/{name}/{ACTIVATION}/fulfill/1", "object": f"CRM/{name}/fiber"}
    body = json.dumps({**said, "status": status, "serviceRef": f"SRV-{name}", **more}).encode()
    headers = {"X-Signature": sign(there.wiring.secrets["PRV"], body), "Content-Type": "application/json"}
    request = urllib.request.Request(f"{there.wiring.api}/api/v1/downstreams/PRV/callbacks", body, headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return int(answer.status)


def asks(there: Installation, path: str, body: object) -> tuple[int, dict[str, Any]]:
    """What a person is answered."""
    try:
        return 200, dict(there.ask(path, body))
    except urllib.error.HTTPError as refused:
        return refused.code, dict(json.loads(refused.read()))


def journal(there: Installation, name: str) -> list[dict[str, Any]]:
    number = told(there, name)["order"]["id"]
    return list(there.ask(f"/journal?orderId={number}&limit=200")["items"])


def moves(there: Installation, name: str, thing: str, number: str) -> list[str]:
    """The states that a thing went through."""
    lines = [line for line in journal(there, name) if (line["thing"], line["thingId"]) == (thing, number)]
    return [line["now"] for line in lines if line["was"] != line["now"]]


def task_id(there: Installation, name: str, step: str) -> str:
    return str(next(t["id"] for t in told(there, name)["tasks"] if t["step"] == step))


def codes(there: Installation, name: str) -> list[str]:
    return [c["code"] for c in told(there, name)["cases"]]


class WhenAnAnswerIsLost:
    def test_a_charge_keeps_its_key_and_is_not_made_again_for_whoever_asks(self, there: Installation) -> None:
        hand_in(there, "lost")
        sent = until_sent(there, "lost", "billing.createSubscription", "unknown")
        status, said = asks(there, f"/commands/{sent['id']}/resend", {"reason": "the customer waits"})
        assert (status, said["code"]) == (409, "OUTCOME_UNKNOWN")
        is_completed(there, "lost")
        done = command(there, "lost", "billing.createSubscription")
        assert (len(done["attempts"]), done["reference"] != "") == (1, True)  # the attempt is not deleted either
        assert [n for key, n in effects(there, "lost").items() if "createSubscription" in key] == [1]
        found = [there.ask(f"/fallout-cases/{c['id']}") for c in told(there, "lost")["cases"]]
        assert [(c["classification"]["recoverability"], c["states"]["case"]) for c in found] == [
            ("unknown_outcome", "resolved")
        ]

    def test_two_people_at_once_do_not_buy_a_second_label(self, there: Installation) -> None:
        hand_in(there, "label", PARCEL)
        sent = until_sent(there, "label", "router.shipmentRequest", "unknown")
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(lambda who: asks(there, f"/commands/{sent['id']}/resend", {"reason": who}), "ab"))
        assert [(status, said["code"]) for status, said in answers] == [(409, "OUTCOME_UNKNOWN")] * 2
        done = until_sent(there, "label", "router.shipmentRequest", "done")
        assert len(done["attempts"]) == 1
        assert effects(there, "label")[done["key"]] == 1

    def test_a_success_that_is_about_a_cancelled_object_is_none(self, there: Installation) -> None:
        is_completed(there, "dead")
        done = command(there, "dead", "router.reserveRouter")
        assert done["outcomes"][0]["says"] == "lost"
        assert done["lostBecause"] == "cancelled_object"
        assert effects(there, "dead")[done["key"]] == 1
        kept = there.ask(f"/fallout-cases/{told(there, 'dead')['cases'][0]['id']}/evidence")["items"]
        assert any(e["kind"] == "answer" for e in kept)

    def test_a_repeat_that_the_other_side_refuses_is_looked_up_and_is_no_ordinary_rejection(
        self, there: Installation
    ) -> None:
        is_completed(there, "twins")
        done = command(there, "twins", "fiber.scheduleInstallation")
        assert (done["outcomes"][0]["says"], done["lostBecause"]) == ("lost", "already_done")
        assert done["looks"]
        assert effects(there, "twins")[done["key"]] == 1
        assert codes(there, "twins") == ["DUPLICATE_REQUEST"]
        found = there.ask(f"/fallout-cases/{told(there, 'twins')['cases'][0]['id']}")
        assert found["classification"]["recoverability"] == "unknown_outcome"


class WhenRetriesAreSpent:
    def test_going_on_repeats_the_failed_step_alone_with_its_key(self, there: Installation) -> None:
        until(lambda: codes(there, "again") == ["RETRY_EXHAUSTED"], WAIT_SECONDS, lambda: str(codes(there, "again")))
        sent = command(there, "again", "static-ip.activateStaticIp")
        assert asks(there, f"/commands/{sent['id']}/resend", {"reason": "the limit was raised"})[0] == 200
        is_completed(there, "again")
        done = command(there, "again", "static-ip.activateStaticIp")
        assert (len(done["attempts"]), done["key"]) == (4, sent["key"])
        assert set(effects(there, "again").values()) == {1}
        assert len(command(there, "again", "billing.createBillingAccount")["attempts"]) == 1


class WhenCallbacksComeAsTheyLike:
    def test_an_older_word_after_a_newer_one_moves_nothing_back(self, there: Installation) -> None:
        hand_in(there, "mixed")
        until_sent(there, "mixed", ACTIVATION, "accepted")
        assert call_back(there, "mixed", "m-2", "ACTIVE", occurredAt="2026-11-25T10:00:02Z") == 202
        assert call_back(there, "mixed", "m-1", "IN_PROGRESS", occurredAt="2026-11-25T10:00:01Z") == 202
        is_completed(there, "mixed")
        until(lambda: len(command(there, "mixed", ACTIVATION)["outcomes"]) >= 3, WAIT_SECONDS, "m-1 is not kept")
        through = moves(there, "mixed", "task", task_id(there, "mixed", "activateFiberService"))
        assert through[-1] == "completed" and through.count("completed") == 1
        assert codes(there, "mixed") == []

    def test_a_word_about_what_is_not_here_yet_waits_for_it(self, there: Installation) -> None:
        assert call_back(there, "early", "e-1", "ACTIVE") == 202
        there.ask("/orders", order("early"))
        is_completed(there, "early")
        done = command(there, "early", ACTIVATION)
        assert ("callback", "done") in {(o["source"], o["says"]) for o in done["outcomes"]}
        assert codes(there, "early") == []

    def test_a_word_about_what_never_comes_is_a_case_in_the_end(self, there: Installation) -> None:
        assert call_back(there, "X-404", "x-1", "ACTIVE") == 202

        def orphans() -> list[dict[str, Any]]:
            return list(there.ask("/fallout-cases?code=CALLBACK_UNMATCHED")["items"])

        until(orphans, WAIT_SECONDS, "nobody is told")
        assert there.ask("/orders?source=CRM&externalId=X-404")["items"] == []  # no order was made up for it

    def test_a_success_after_the_time_out_counts_and_what_contradicts_it_is_a_case(self, there: Installation) -> None:
        until_sent(there, "late", ACTIVATION, "unknown")
        assert call_back(there, "late", "l-1", "ACTIVE") == 202
        is_completed(there, "late")
        before = len(codes(there, "late"))
        assert call_back(there, "late", "l-2", "REJECTED", code="PORT_FAULT") == 202
        until(lambda: len(codes(there, "late")) > before, WAIT_SECONDS, "the contradiction is nobody's")
        through = moves(there, "late", "task", task_id(there, "late", "activateFiberService"))
        assert through[-1] == "completed"
        assert "failed" not in through

    def test_the_same_word_many_times_at_once_is_one(self, there: Installation) -> None:
        with ThreadPoolExecutor(6) as many:
            told_ = list(
                many.map(lambda n: call_back(there, "mixed", f"m-2{'' if n % 2 else '-b'}", "ACTIVE"), range(6))
            )
        assert set(told_) == {202}
        through = moves(there, "mixed", "task", task_id(there, "mixed", "activateFiberService"))
        assert through.count("completed") == 1
        assert effects(there, "mixed")[command(there, "mixed", ACTIVATION)["key"]] == 1


class WhenAnOrderIsHandedInAgainWhileTheFirstIsNotCommitted:
    def test_there_is_one_order(self, there: Installation) -> None:
        with ThreadPoolExecutor(6) as many:
            answers = list(many.map(lambda _: asks(there, "/orders", order("once")), range(6)))
        assert {status for status, _ in answers} == {200}
        assert len({said["id"] for _, said in answers}) == 1
        is_completed(there, "once")
        assert set(effects(there, "once").values()) == {1}
        assert codes(there, "once") == []


class WhenStatesWouldContradictEachOther:
    def test_billing_does_not_begin_before_the_service_is_there(self, there: Installation) -> None:
        until(lambda: codes(there, "server"), WAIT_SECONDS, "no case")
        states = {t["step"]: t["state"] for t in told(there, "server")["tasks"]}
        assert (states["activateFiberService"], states["createSubscription"]) == ("failed", "planned")
        assert not any("createSubscription" in key for key in effects(there, "server"))
        assert told(there, "server")["order"]["state"] == "held"

    def test_a_completed_order_never_goes_back_and_has_no_task_left(self, there: Installation) -> None:
        for name in ("lost", "dead", "again", "mixed", "once"):
            is_completed(there, name)
            found = told(there, name)
            assert moves(there, name, "order", found["order"]["id"])[-1] == "completed"
            assert moves(there, name, "order", found["order"]["id"]).count("completed") == 1
            assert {t["state"] for t in found["tasks"] if t["mandatory"]} == {"completed"}
