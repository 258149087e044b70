"""What tests at real systems share: an order in a running installation as its API tells it, and what may go wrong."""

import json
import urllib.error
from contextlib import suppress
from typing import Any

import pytest
from tests.crash.outside import Installation, until

from fallsafe.simulator.sandbox import judge

WAIT_SECONDS = 60
PARCEL = (
    ("fiber", "FIBER-HOME-COMPLETE"),
    ("router", "WIFI-ROUTER-DELIVERED"),
    ("billing", "SERVICE-BILLING"),
)


def goes_wrong(name: str, operation: str, fault: str, **more: object) -> dict[str, object]:
    return {"operation": operation, "match": f"/{name}/", "fault": fault, **more}


def told(there: Installation, name: str, source: str = "CRM") -> dict[str, Any]:
    """The order with its tasks and cases."""
    with suppress(OSError):
        return dict(there.ask(f"/orders/{source}:{name}"))
    return {"order": {"state": ""}, "tasks": [], "cases": []}


def task(there: Installation, name: str, step: str) -> dict[str, Any]:
    return next((t for t in told(there, name)["tasks"] if t["step"] == step), {"state": ""})


def case(there: Installation, name: str, code: str, source: str = "CRM") -> dict[str, Any]:
    """The order's case of that code, once it is there."""

    def found() -> list[str]:
        return [c["id"] for c in told(there, name, source)["cases"] if c["code"] == code]

    until(found, WAIT_SECONDS, lambda: f"no {code}: {told(there, name, source)['cases']}")
    return dict(there.ask(f"/fallout-cases/{found()[0]}"))


def command(there: Installation, name: str, step: str) -> dict[str, Any]:
    """The command that does the step."""
    key = f"CRM/{name}/{step}/fulfill/1"
    commands = there.ask(f"/orders/CRM:{name}/commands")["items"]
    return dict(next(c for c in commands if c["key"] == key))


def times_sent(sent: dict[str, Any]) -> int:
    return len(sent["attempts"])


def is_refused(there: Installation, path: str) -> str:
    """The code of the refusal of what a person asks for."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        there.ask(path, {"reason": "we are in a hurry"})
    assert refused.value.code == 409
    said = json.loads(refused.value.read())
    assert said["hint"]
    return str(said["code"])


def is_completed(there: Installation, name: str, source: str = "CRM") -> None:
    until(
        lambda: told(there, name, source)["order"]["state"] == "completed",
        WAIT_SECONDS,
        lambda: json.dumps(told(there, name, source)),
    )


def effects(there: Installation, name: str, source: str = "CRM") -> dict[str, int]:
    return {k: n for k, n in judge.effects_by_key(there.home).items() if k.startswith(f"{source}/{name}/")}


def rows(there: Installation, name: str, source: str = "CRM") -> set[str]:
    """The rows of the matrix that decided about its failures, as its journal names them."""
    number = told(there, name, source)["order"]["id"]
    lines = there.ask(f"/journal?orderId={number}&limit=200")["items"]
    found = {line["rule"].removeprefix("recover/") for line in lines if line["verb"] == "recover"}
    return found - {"duplicate_callback"}  # an answer that its own callback overtook says nothing new either
