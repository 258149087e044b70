"""The drill of §26, live: an answer is lost on purpose, and ten questions are answered from what the API says.

The judge is not the product: whether each thing was done exactly once is read from the disk of the sandbox systems.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from fallsafe import policyset
from fallsafe.cli.install import Installation
from fallsafe.cli.scenario import SECONDS_MAX, SOURCE, STEPS, VARIANTS, order
from fallsafe.core.events import Json
from fallsafe.simulator.sandbox import judge
from fallsafe.simulator.sandbox.control import Control, ControlError

POLL_SECONDS = 0.25
SLOW_SECONDS = 5.0
FINAL = ("completed", "failed", "partial", "cancelled", "rejected")
API = "/api/v1"

QUESTIONS = (
    "What fallout case is created?",
    "What is the recoverability classification?",
    "What should not be retried blindly?",
    "What reconciliation is required?",
    "Which tasks are blocked?",
    "What is the customer-facing status?",
    "What SLA applies?",
    "What repair actions are allowed?",
    "What compensation may be needed if the failing task is terminal?",
    "What upstream control could reduce recurrence?",
)


@dataclass(slots=True)
class Played:
    """What the drill came to: `settled` once the order is final and each effect exists exactly once."""

    order_id: str
    external_id: str
    case_id: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)
    effects: dict[str, int] = field(default_factory=dict)
    order_state: str = ""
    unknown: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def settled(self) -> bool:
        """Whether everything was done, and nothing twice."""
        once = len(self.effects) == len(STEPS) and set(self.effects.values()) == {1}
        return self.order_state == "completed" and once

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "ok": self.settled,
            "orderId": self.order_id,
            "orderState": self.order_state,
            "caseId": self.case_id,
            "answers": self.answers,
            "effects": self.effects,
            "unknown": self.unknown,
            "seconds": round(self.seconds, 1),
        }


class CannotPlay(RuntimeError):
    """The installation refuses what the drill asks of it, or gives no answer; with the sentence that says so."""


class Api:
    """The API as anybody with a token reads it. What gets no answer is asked again until a time (of `time.monotonic`):
    all that the drill sends may be sent twice.
    """

    def __init__(self, session: aiohttp.ClientSession, base: str, until: float) -> None:
        self._session, self._base, self._until = session, base, until

    async def get(self, path: str) -> dict[str, Any]:
        """A JSON object. Raises `CannotPlay`."""
        return await self._call("GET", path, None)

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        """Sends JSON and reads the answer. Raises `CannotPlay`."""
        return await self._call("POST", path, body)

    async def _call(self, method: str, path: str, body: Any) -> dict[str, Any]:
        while True:
            try:
                async with self._session.request(method, f"{self._base}{path}", json=body) as answer:
                    if answer.status >= 400:
                        raise CannotPlay(f"{method} {path}: {answer.status} {await answer.text()}")
                    read: dict[str, Any] = await answer.json()
                    return read
            except (aiohttp.ClientConnectionError, TimeoutError) as error:
                if time.monotonic() > self._until:
                    raise CannotPlay(f"{method} {path}: no answer from {self._base} ({error!r})") from error
            await asyncio.sleep(POLL_SECONDS)


async def play(there: Installation, fail: str, variant: str, seconds_max: float = SECONDS_MAX) -> Played:
    """Plays the drill against a running installation and judges it. `fail` is the step whose answer is lost. Raises
    `CannotPlay`.
    """
    began = time.monotonic()
    now = datetime.now(UTC)
    external_id = f"drill-{int(now.timestamp() * 1000)}"
    policy = policyset.load(policyset.shipped("telco"))
    operation = policy.task_types[fail].operation
    questions = [way.operation for way in policy.operations[operation].look_ups]
    async with Control(there.wiring.systems[operation.partition(".")[0]]) as control:
        try:
            await control.add_faults(_script(operation, questions, external_id, variant))
        except (ControlError, aiohttp.ClientError, TimeoutError) as error:
            raise CannotPlay(f"the sandbox takes no script of what is to fail: {error!r}") from error
    headers = {"Authorization": f"Bearer {there.token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as session:
        api = Api(session, there.wiring.api, began + seconds_max)
        taken = await api.post(f"{API}/orders", order(external_id, now))
        played = Played(taken["id"], external_id)
        await _follow(api, played, began + seconds_max)
        await _what_is_unknown(api, played)
    mine = f"{SOURCE}/{external_id}/"
    played.effects = {what: n for what, n in judge.effects(there.home).items() if f" {mine}" in what}
    played.seconds = time.monotonic() - began
    return played


def _script(operation: str, questions: Sequence[str], external_id: str, variant: str) -> list[Mapping[str, Json]]:
    """What goes wrong outside: the answer is lost, and the first questions about it are answered slowly, or not at all,
    so that a person can see the case while the outcome is unknown.
    """
    lost: Mapping[str, Json] = {"operation": operation, "match": external_id, "times": 1, **VARIANTS[variant]}
    if variant == "silent":
        times = 2 * len(questions)
        return [lost, {"operation": questions[0], "match": external_id, "fault": "http_500_before", "times": times}]
    slow: list[Mapping[str, Json]] = [
        {"operation": q, "match": external_id, "fault": "slow", "seconds": SLOW_SECONDS, "times": 1} for q in questions
    ]
    return [lost, *slow]


async def _follow(api: Api, played: Played, until: float) -> None:
    """Watches the order: answers the questions while the case is open, and waits for the end."""
    while time.monotonic() < until:
        if not played.case_id:
            await _answer(api, played)
        played.order_state = (await api.get(f"{API}/orders/{played.order_id}"))["order"]["state"]
        if played.order_state in FINAL:
            break
        await asyncio.sleep(POLL_SECONDS)
    if not played.case_id:
        await _answer(api, played)


async def _what_is_unknown(api: Api, played: Played) -> None:
    commands = (await api.get(f"{API}/orders/{played.order_id}/commands?limit=200"))["items"]
    waiting = [c for c in commands if c["state"] in ("unknown", "absent")]
    played.unknown = [f"{c['operation']} by key {c['key']}: {c['state']}" for c in waiting]


async def _answer(api: Api, played: Played) -> None:
    """The ten answers, once there is a case; each with the path and the events that it was read from."""
    found = await api.get(f"{API}/fallout-cases?orderId={played.order_id}&state=any")
    if not found["items"]:
        return
    played.case_id = found["items"][-1]["id"]
    path = f"{API}/fallout-cases/{played.case_id}"
    case = await api.get(path)
    played.answers = [
        {"n": n, "question": question, "answer": answer, "path": path, "events": _events(case, verbs)}
        for n, (question, (answer, verbs)) in enumerate(zip(QUESTIONS, answers(case), strict=True), 1)
    ]


def _events(case: Mapping[str, Any], verbs: Sequence[str]) -> list[str]:
    return [case["events"][verb] for verb in verbs if verb in case["events"]]


def answers(case: Mapping[str, Any]) -> list[tuple[Any, tuple[str, ...]]]:
    """What the case says to each question, and the records on which it stands. Nothing here is known beforehand."""
    said, classified = case["classification"], ("case.classify",)
    actions = {"allowed": _codes(case["actions"]), "locked": {a["code"]: a["locked"] for a in case["lockedActions"]}}
    identity = {"case": case["id"], "code": said["code"], "title": said["title"], "severity": case["severity"]["level"]}
    why_severe = {"points": case["severity"]["points"], "reasons": [r["sentence"] for r in case["severity"]["reasons"]]}
    judged = {k: said[k] for k in ("recoverability", "domain", "cause", "rule", "policySet")}
    sends = [{k: c[k] for k in ("operation", "key", "state", "locked")} for c in case["notToBeSent"]]
    blocked = [f"{b['item']}.{b['step']}" for b in case["blockedTasks"]]
    undo = [{k: u[k] for k in ("step", "reference", "undo", "operation", "possibleWhile")} for u in case["undo"]]
    return [
        ({**identity, **why_severe, "owner": case["owner"]["group"]}, ("case.detect", "case.score")),
        (judged, classified),
        (sends, ("command.lose", "command.send")),
        (case["reconciliation"], ("command.lose", "command.look")),
        (blocked, ("case.score", "command.lose")),
        (case["customer"], classified),
        (case["sla"], classified),
        (actions, classified),
        (undo, ("case.detect",)),
        (case["upstream"], classified),
    ]


def _codes(actions: Sequence[Mapping[str, Any]]) -> list[str]:
    return [a["code"] for a in actions]
