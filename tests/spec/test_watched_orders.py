"""Another engine executes, Fallsafe watches and steers: a real engine in a process of its own, that reports late and
twice, loses the answer to what it is told, and fails (§6, §11, model rule 3).
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.crash.outside import Installation, forge, installation, until

from fallsafe.simulator.sandbox import judge
from fallsafe.simulator.sandbox.control import Control
from fallsafe.store import audit

STEPS = [
    {"step": "check", "item": "line", "seconds": 0.2},
    {"step": "activate", "item": "line", "after": ["check"], "seconds": 0.2, "fails": 1, "code": "PORT_FAULT"},
    {"step": "subscribe", "item": "line", "after": ["activate"], "seconds": 0.2},
    {"step": "survey", "item": "line", "seconds": 0.2, "fails": 1, "code": "NOBODY_HOME"},
]
ORDER = {"orderId": "E-1", "customerRef": "CU-1", "committedAt": "2027-03-01T10:00:00Z", "steps": STEPS}
FAULTS: dict[str, list[dict[str, object]]] = {
    "engine": [
        {"operation": "ENG.report", "match": "E-1/1", "fault": "callback_late", "seconds": 1},
        {"operation": "ENG.report", "match": "E-1/2", "fault": "callback_twice"},
        {"operation": "ENG.steer", "fault": "answer_lost_after_effect"},
    ]
}


def told(there: Installation) -> dict[str, Any]:
    """The order, or nothing while it is not known."""
    try:
        return there.ask("/orders/ENG:E-1")
    except OSError:
        return {}


def states(there: Installation) -> dict[str, str]:
    return {t["step"]: t["state"] for t in told(there).get("tasks", ())}


def task(there: Installation, step: str) -> str:
    return next(t["id"] for t in told(there)["tasks"] if t["step"] == step)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose engine has one order, with the reports of its first failure applied."""
    home = tmp_path_factory.mktemp("watched") / "home"
    with installation(home, FAULTS) as made, forge(made.environment) as smith:
        for name in ("api", "worker-1"):
            smith.start(name, made.home / "log" / f"{name}.log", made.environment)
        until(made.answers, 30, "the API does not answer")

        async def give() -> None:
            async with Control(made.wiring.systems["ENG"]) as control:
                await control.give_orders([ORDER])

        asyncio.run(give())
        wanted = {"check": "completed", "activate": "failed", "subscribe": "planned", "survey": "failed"}
        until(lambda: states(made) == wanted, 30, lambda: str(states(made)))
        yield made


class WhenAnotherEngineExecutes:
    def test_it_is_watched_steered_through_the_ledger_and_ends_as_the_engine_says(self, there: Installation) -> None:
        cases = {c["taskStep"]: c for c in told(there)["cases"]}
        assert {step: c["state"] for step, c in cases.items()} == {"activate": "assigned", "survey": "assigned"}
        assert there.ask(f"/fallout-cases/{cases['activate']['id']}")["classification"]["rawCode"] == "PORT_FAULT"
        assert told(there)["order"]["customerRef"] == "CU-1"

        retried = there.ask(f"/tasks/{task(there, 'activate')}/retry", {"reason": "the port was repaired"})
        until(lambda: there.ask(f"/commands/{retried['id']}")["state"] == "done", 40, "the word is not done")
        command = there.ask(f"/commands/{retried['id']}")
        assert (command["purpose"], command["method"]) == ("resume", "retry")
        assert command["key"] == "ENG/E-1/line.activate/resume/1"
        assert command["lostBecause"] == "timeout"
        until(lambda: states(there)["subscribe"] == "completed", 20, lambda: str(states(there)))

        skipped = there.ask(f"/tasks/{task(there, 'survey')}/skip", {"reason": "the customer sent pictures"})
        until(lambda: there.ask(f"/commands/{skipped['id']}")["state"] == "done", 20, "the skip is not done")
        until(lambda: told(there)["order"]["state"] == "completed", 20, lambda: str(told(there)))
        assert states(there)["survey"] == "skipped"
        after = {c["taskStep"]: c for c in told(there)["cases"] if c["code"] != "UNKNOWN_OUTCOME"}
        assert {c["state"] for c in after.values()} == {"resolved"}
        effects = {k: n for k, n in judge.effects_by_key(there.home).items() if k.startswith("ENG/")}
        assert effects == {"ENG/E-1/line.activate/resume/1": 1, "ENG/E-1/line.survey/resume/1": 1}
        assert there.ask("/coverage")["percent"] == 100
        assert audit.verify(there.server.url()).findings == ()
