"""`make fuzz`: requests made from the description of the API, right ones and wrong ones, at a running installation, as
each role; and which operations never once answered anything but a refusal.

An installation with an order, a case and what else has a name is brought up; schemathesis plays its four phases over
HTTP with a token of each role. No answer is a 500, each is as described, no role is answered well where the table of
rights says no (`tests/doors/authorisation.csv`), and each operation has answered well at least once, as somebody.
"""

import argparse
import base64
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.crash.outside import Installation, forge, installation, order, until
from tests.doors.test_api_authorisation import TABLE
from tests.fuzz.standing import FAULTS, Right, right_requests
from tests.spec.at_real_systems import case, command, goes_wrong, told

PHASES = ("examples", "coverage", "fuzzing", "stateful")
CHECKS = ("not_a_server_error", "content_type_conformance", "response_schema_conformance", "status_code_conformance")
ROLES = ("operator", "support", "engineer", "finance", "manager", "auditor", "admin", "machine")
SEED = "26"
NAMES = ("lost", "refused", "plain")
GOES_WRONG = (
    goes_wrong("lost", "PRV.activateService", "answer_lost_after_effect"),
    goes_wrong("lost", "PRV.queryActivation", "http_500_before", times=None),
    goes_wrong("refused", "WHS.reserve", "refuse"),
)
# What answers well only in a state that cannot be brought about from outside, each tried by tests of its own.
APART = {
    "POST /api/v1/downstreams/{name}/callbacks": "a signature over its bytes",
    "POST /api/v1/installation/end-rewind": "a database that went back in time",
    "POST /api/v1/commands/{command_id}/resend": "a command that was proved absent",
    "POST /api/v1/orders/{order_id}/plan": "an item whose mapping was published after it was ordered",
}

# Who may do it is said by the action that is run, of which the table has one.
BY_ACTION = {"POST /api/v1/fallout-cases/{case_id}/repairs/{repair_id}/run"}


def bodies() -> dict[str, Any]:
    """Bodies that are taken in, for what chance would not write."""
    return {
        "POST /api/v1/orders": {**order("fuzzed"), "externalId": "fuzzed"},
        "POST /api/v1/tokens": {"name": "one-more", "kind": "machine", "roles": ["machine"]},
        "POST /api/v1/fallout-cases/{case_id}/repairs/preview": {"action": "RECONCILE_NOW"},
    }


@dataclass
class Seen:
    """What an operation answered, by role and status."""

    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, role: str, status: int) -> None:
        self.statuses[role][status] += 1

    @property
    def tries(self) -> int:
        return sum(sum(found.values()) for found in self.statuses.values())

    @property
    def ever_well(self) -> bool:
        return any(status < 400 for found in self.statuses.values() for status in found)


@contextmanager
def running() -> Iterator[Installation]:
    """An installation with two orders that went wrong and one that did not."""
    with tempfile.TemporaryDirectory(prefix="fallsafe-f-") as folder:
        script = {"provisioning": [*GOES_WRONG[:2]], "logistics": [GOES_WRONG[2], *FAULTS]}
        with installation(Path(folder) / "home", script) as made, forge(made.environment) as smith:
            for name in ("api", "worker-1"):
                smith.start(name, made.home / "log" / f"{name}.log", made.environment)
            until(made.answers, 60, "the API does not answer")
            for name in NAMES:
                made.ask("/orders", order(name))
            case(made, "refused", "SKU_OUT_OF_STOCK")
            case(made, "lost", "UNKNOWN_OUTCOME")
            yield made


def named(there: Installation) -> dict[str, list[Any]]:
    """Names of things that are there, by the parameter that names them."""
    failed, unknown = told(there, "refused"), command(there, "lost", "fiber.activateFiberService")
    cases = [one["id"] for name in ("refused", "lost") for one in told(there, name)["cases"]]
    tasks = [task["id"] for task in failed["tasks"]]
    sets = there.ask("/policy-sets")["items"]
    evidence = there.ask(f"/fallout-cases/{cases[0]}")["evidence"]
    about = {"source": "CRM", "externalId": "plain"}
    there.ask("/signals", {"source": "MON", "externalId": "S-1", "code": "LINE_DOWN", "order": about})
    view = there.ask("/views", {"title": "mine", "query": "is:open"})
    token = there.ask("/tokens", {"name": "to-be-revoked", "roles": ["machine"]})
    preview = there.ask(f"/fallout-cases/{cases[-1]}/repairs/preview", {"action": "RECONCILE_NOW"})
    signals = [one["id"] for one in there.ask("/signals")["items"]]
    return {
        "order_id": [failed["order"]["id"], "CRM:refused"], "case_id": cases, "command_id": [unknown["id"]],
        "task_id": tasks, "evidence_id": evidence, "signal_id": signals, "set_id": [one["id"] for one in sets],
        "name": ["PRV", "WHS"], "token_id": [token["id"]], "action": ["RECONCILE_NOW"], "code": ["RECONCILE_NOW"],
        "repair_id": [preview["id"]], "rule": ["H01"], "view_id": [view["id"]],
    }  # fmt: skip


def described(there: Installation, names: Mapping[str, list[Any]], right: Mapping[str, Right]) -> dict[str, Any]:
    """The description, with the names of what is there as examples of the parameters that name it, and one right
    request where there is one.
    """
    with urlopen(f"{there.wiring.api}/openapi.json", timeout=10) as answer:
        schema: dict[str, Any] = json.loads(answer.read())
    schema["paths"] = {path: verbs for path, verbs in schema["paths"].items() if path.startswith("/api/")}
    known = {**bodies(), **{name: one.body for name, one in right.items() if one.body is not None}}
    for path, verbs in schema["paths"].items():
        for method, operation in verbs.items():
            if (body := known.get(f"{method.upper()} {path}")) is not None:
                operation["requestBody"]["content"]["application/json"]["example"] = body
            exact = right.get(f"{method.upper()} {path}", Right()).named
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in exact:
                    parameter["examples"] = {"e0": {"value": exact[parameter["name"]]}}
                elif parameter["in"] == "path" and parameter["name"] in names:
                    examples = names[parameter["name"]]
                    parameter["examples"] = {f"e{n}": {"value": value} for n, value in enumerate(examples)}
                    # Half of what is generated names something that is there.
                    parameter["schema"] = {"anyOf": [{"enum": examples}, parameter["schema"]]}
    return schema


def play(there: Installation, schema: Path, role: str, token: str, read: argparse.Namespace) -> tuple[int, str, Path]:
    """Plays all phases as one role; the exit code, what was said, and the file of all that was answered."""
    events = schema.parent / f"{role}.ndjson"
    line = [
        read.schemathesis, "run", str(schema), "--url", there.wiring.api,
        "--header", f"Authorization: Bearer {token}", "--phases", read.phases, "--max-examples", str(read.examples),
        "--checks", ",".join(CHECKS), "--seed", SEED, "--generation-database", "none", "--no-color",
        "--continue-on-failure", "--no-shrink", "--suppress-health-check", "all", "--warnings", "off",
        "--report", "ndjson", "--report-ndjson-path", str(events),
    ]  # fmt: skip
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, events


def answered(events: Path) -> Iterator[tuple[str, int]]:
    """Each operation that was tried and the status of its answer."""
    for line in events.read_text().splitlines():
        yield from _interactions(json.loads(line), "")


def _interactions(value: Any, label: str) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        label = value.get("label") if isinstance(value.get("label"), str) else label
        response = value.get("response")
        if isinstance(response, dict) and isinstance(response.get("status_code"), int):
            yield label, HTTPStatus.CONFLICT if _nothing_done(response) else response["status_code"]
            return
        for each in value.values():
            yield from _interactions(each, label)
    elif isinstance(value, list):
        for each in value:
            yield from _interactions(each, label)


def _nothing_done(response: Mapping[str, Any]) -> bool:
    """Whether a batch was answered of which nothing was done: each of it was refused."""
    content = response.get("content")
    body = base64.b64decode(content["$base64"]) if isinstance(content, dict) and "$base64" in content else b""
    return b'"result":"refused"' in body and body.endswith(b"}") and b'"done":0,' in body


def main(words: list[str]) -> int:
    """Plays every role; 0 where nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100, help="for each operation and role")
    parser.add_argument("--roles", default=",".join(ROLES))
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--schemathesis", default=".venvs/fuzz/bin/schemathesis", help="where it is")
    parser.add_argument("--keep", type=Path, help="a folder for what was said")
    read = parser.parse_args(words)
    seen: dict[str, Seen] = defaultdict(Seen)
    wrong, around = 0, set[str]()
    with running() as there, tempfile.TemporaryDirectory() as folder:
        place = read.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        schema = place / "openapi.json"
        names = named(there)
        found = described(there, names, right_requests(there))
        schema.write_text(json.dumps(found))
        for role in read.roles.split(","):
            kind = "machine" if role == "machine" else "person"
            token = there.token_of(f"fuzz-{role}", [role], kind=kind)
            code, said, events = play(there, schema, role, token, read)
            for operation, status in answered(events):
                seen[operation].add(role, status)
                if (
                    status < HTTPStatus.BAD_REQUEST
                    and operation not in BY_ACTION
                    and TABLE.get(operation.replace("/api/v1", ""), {}).get(role) == "no"
                ):
                    around.add(f"{role} found a way around: {operation} answered {status}")
            (place / f"{role}.txt").write_text(said)
            wrong += code != 0
            sys.stdout.write(f"{role}: {'nothing is wrong' if code == 0 else said[-6_000:]}\n")
    every = {f"{method.upper()} {path}" for path, verbs in found["paths"].items() for method in verbs}
    never = sorted(one for one in every - APART.keys() if not seen[one].ever_well)
    for one in never:
        said = {role: dict(found) for role, found in seen[one].statuses.items()}
        sys.stdout.write(f"never answered well: {one} {said}\n")
    for one in sorted(around):
        sys.stdout.write(f"{one}\n")
    tries = [seen[one].tries for one in every]
    sys.stdout.write(f"{len(every)} operations, {sum(tries)} requests, at least {min(tries)} of each\n")
    return int(bool(wrong or never or around))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
