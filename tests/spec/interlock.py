"""Every path by which somebody or something could try to send a command again, found in the code itself; and a world in
which the outcome of one command is unknown, with a try for each path.

The lists are computed: the routes from the application that is served, the verbs from the command line, the agenda
kinds and the flows from the syntax trees of the rooms that file and act.
"""

import ast
import asyncio
import contextlib
import functools
import io
import itertools
import json
import os
import re
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import typer
from fastapi.routing import iter_route_contexts
from psycopg.rows import dict_row
from tests.crash.outside import Forge, Installation, forge, installation, order, until

import fallsafe
from fallsafe import policyset
from fallsafe.api.deps import Deps
from fallsafe.api.drafts import draft_of
from fallsafe.cli import main as command_line
from fallsafe.cli.credentials import sign_in_code
from fallsafe.cli.processes import database, policies
from fallsafe.cli.serve import application
from fallsafe.cli.settings import read_settings
from fallsafe.core.access import Actor
from fallsafe.core.commands.contract import Request
from fallsafe.core.commands.ledger import Command
from fallsafe.core.commands.outcome import NotSent, Reply
from fallsafe.core.repair.request import Repair, RepairState
from fallsafe.flows import (
    amending,
    automating,
    callbacks,
    checking,
    commands,
    comparing,
    moving,
    orders,
    planning,
    recover,
    repairs,
    replies,
    review,
    steering,
)
from fallsafe.flows.callbacks import Received
from fallsafe.flows.commands import Attempted, Claimed, Due
from fallsafe.flows.context import Applied, Context, Refused
from fallsafe.flows.installation import end_rewind, look_anew, stop
from fallsafe.security.signature import sign
from fallsafe.simulator.sandbox import judge
from fallsafe.store.ids import inside, outside
from fallsafe.store.tx import Database, Tx
from fallsafe.store.work import Aggregate, Entry, Why

# What builds a command line sets this and takes it away again, which no other thread may meet while it reads them all.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")

SOURCE = Path(fallsafe.__file__).parent
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
TRIES, VERB_TRIES = 50, 10
OPERATION = "PRV.activateService"
NAME = "777"
AGREED_HASH = "a" * 64
MONTHS = itertools.count(13)
KEY = f"CRM/{NAME}/fiber.activateFiberService/fulfill/1"
# What leads to a request: an attempt, the same command again, a new command for a task.
WAYS_OUT = frozenset({"commands.send", "commands.send_again", "moves.intend"})
# Where the kind of an entry is an argument, so that the callers say which.
PASSES_KIND_ON = frozenset({"moves.file", "moves.entry", "review._next_dues"})


# -- what there is, computed ------------------------------------------------------------------------------------------


def writing_routes() -> set[str]:
    """Every route with a method that writes."""
    app = application(Deps(None, lambda: None, {}))  # type: ignore[arg-type, return-value]
    found = [(method, c.path) for c in iter_route_contexts(app.routes) for method in getattr(c, "methods", None) or ()]
    return {f"{method} {path}" for method, path in found if method not in SAFE}


def verbs() -> set[str]:
    """Every verb of the command line."""

    def walk(command: Any, before: tuple[str, ...]) -> Iterator[str]:
        for name, below in getattr(command, "commands", {}).items():
            yield from walk(below, (*before, name))
        if not hasattr(command, "commands"):
            yield " ".join(before)

    return set(walk(typer.main.get_command(command_line.app), ()))


@dataclass(frozen=True)
class Function:
    """A function of the flows: what it names, and whether it is called with a transaction from outside."""

    name: str
    uses: frozenset[str]
    is_flow: bool
    files: tuple[str | None, ...]


def functions() -> dict[str, Function]:
    """Every function of `fallsafe.flows` by `module.name`."""
    found = {}
    for place in sorted((SOURCE / "flows").glob("*.py")):
        tree = ast.parse(place.read_text())
        names = _names(tree)
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.value, ast.Dict)
                and isinstance(node.target, ast.Name)
            ):
                name = f"{place.stem}.{node.target.id}"  # a table of functions leads to each of them
                found[name] = Function(name, frozenset(_uses(node, place.stem, names)), False, ())
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.args.args[0].arg if node.args.args else ""
                flow = first == "tx" and not node.name.startswith("_")
                name = f"{place.stem}.{node.name}"
                found[name] = Function(name, frozenset(_uses(node, place.stem, names)), flow, tuple(_files(node)))
    return found


def _names(tree: ast.Module) -> dict[str, str]:
    """What a module imports from the flows: local name → `module.name`, or `module` for a whole one."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fallsafe.flows"):
            room = (node.module or "").removeprefix("fallsafe.flows").lstrip(".")
            found |= {a.asname or a.name: f"{room}.{a.name}".lstrip(".") for a in node.names}
    return found


def _uses(function: ast.AST, module: str, names: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            yield names.get(node.id, f"{module}.{node.id}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
            yield f"{names[node.value.id]}.{node.attr}"


def _files(function: ast.AST) -> Iterator[str | None]:
    """The kinds of the agenda entries that a function files; None where the kind is no literal."""
    places = {"Entry": 0, "entry": 0, "file": 2}
    for node in ast.walk(function):
        name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and name in places and len(node.args) > places[name]:
            kind = node.args[places[name]]
            yield kind.value if isinstance(kind, ast.Constant) else None  # type: ignore[misc]


def agenda_kinds() -> set[str]:
    """Every kind of agenda entry that any flow files. Raises AssertionError where a kind cannot be seen."""
    there = functions().values()
    hidden = {f.name for f in there if None in f.files} - PASSES_KIND_ON
    assert not hidden, f"these file an agenda entry whose kind is no literal: {hidden}"
    return {kind for f in there for kind in f.files if kind is not None}


def flows_that_can_send() -> set[str]:
    """Every flow (called with a transaction) from which a way leads to a request."""
    there = functions()
    assert there.keys() >= WAYS_OUT
    reach: set[str] = set(WAYS_OUT)
    while new := {f.name for f in there.values() if f.uses & reach} - reach:
        reach |= new
    return {name for name in reach if there[name].is_flow}


# -- the world --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """A refusal as it reached whoever tried."""

    code: str
    why: str
    hint: str


@dataclass
class Seen:
    """What fifty tries by one path brought: refusals, how many of them the journal has, and requests outside."""

    refusals: list[Said] = field(default_factory=list)
    accepted: int = 0
    journaled: int = 0
    requests: int = 0


@dataclass
class World:
    """An installation with one order whose activation lost its answer; API and one worker run as processes."""

    there: Installation
    store: Database
    context: Context
    order_id: int
    task_id: int
    command_id: int
    case_id: int
    cookie: str
    csrf: str
    loop: asyncio.AbstractEventLoop
    agreed: int = 0

    # -- doors --

    def http(self, method: str, path: str, body: object = None, **headers: str) -> Said | None:
        """One request by somebody with every right; None when it was accepted."""
        token = (self.there.home / "token").read_text().strip()
        sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.there.wiring.api}{path}", data, sent, method=method)
        try:
            with _PLAIN.open(request, timeout=20) as answer:
                whole = answer.read() or b"{}"
                said = json.loads(whole) if "json" in answer.headers.get("Content-Type", "json") else {}
        except urllib.error.HTTPError as error:
            if error.code in (302, 303):
                return None
            whole = error.read()
            assert error.code < 500, whole
            if "json" not in error.headers.get("Content-Type", "json"):
                return None
            said = json.loads(whole)
            return Said(said["code"], said["detail"], said["hint"])
        refused = [a["refusal"] for a in said.get("answers", ()) if a.get("refusal")]
        return Said(refused[0]["code"], refused[0]["why"], refused[0]["hint"]) if refused else None

    def page(self, path: str, **fields: str) -> Said | None:
        """A form of a page, sent from a page of ours."""
        form = urllib.parse.urlencode({"csrf": self.csrf, "reason": "again", **fields}).encode()
        more = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded", "Authorization": ""}
        return self.http("POST", path, form, **more)

    def callback(self, number: int) -> Said | None:
        """A signed callback that names the command and speaks of something else."""
        body = callback_body(number)
        headers = {"X-Signature": sign(self.there.wiring.secrets["PRV"], body)}
        return self.http("POST", "/api/v1/downstreams/PRV/callbacks", body, **headers)

    def amendment(self) -> str:
        """A change of the deal that somebody else has just asked for."""
        desk = self.there.token_of("desk", ["operator"])
        case = f"/fallout-cases/{outside('case', self.case_id)}/repairs"
        changes = {"changes": {"termMonths": next(MONTHS)}}
        seen = self.there.ask(f"{case}/preview", {"action": "REQUEST_AMENDMENT", "input": changes}, token=desk)
        self.there.ask(f"{case}/{seen['id']}/run", {"hash": seen["hash"]}, token=desk)
        return str(self.there.ask("/amendments?limit=1")["items"][0]["id"])

    def token(self) -> str:
        """A token that was just made."""
        return str(self.there.ask("/tokens", {"name": "somebody", "roles": ["support"]})["id"])

    # -- flows --

    async def flow(self, body: Callable[[Tx], Awaitable[Any]]) -> Any:
        """One transaction of this process."""
        return await self.store.transact(body)

    async def file(self, kind: str, thing: int, order_id: int | None) -> Due:
        """An agenda entry that is due now, whoever filed it and why."""

        async def body(tx: Tx) -> Due:
            now = await tx.now()
            gate = self.context.gate("PRV") if kind in ("send", "lookup") else 0
            tx.file(Entry(kind, thing, order_id, now - timedelta(seconds=1), gate))
            return Due(kind, thing, order_id, now)

        due: Due = await self.flow(body)
        return due

    async def loaded(self) -> Aggregate:
        """The order as it stands."""

        async def body(tx: Tx) -> Aggregate:
            return (await tx.lock([self.order_id]))[0]

        found: Aggregate = await self.flow(body)
        return found

    def requests(self) -> int:
        """How often the operation was asked for outside under the key, by the file that the other system writes."""
        return sum(r.operation == OPERATION and r.key == KEY for r in judge.requests(self.there.home, "provisioning"))

    def journaled(self) -> int:
        """How many refusals with a reason and a hint are in the journal."""
        with psycopg.connect(self.there.server.url(), row_factory=dict_row) as connection:
            rows = connection.execute("SELECT payload FROM journal WHERE verb LIKE 'refuse%'").fetchall()
        said = [json.loads(row["payload"]) for row in rows]
        return sum(bool(s["facts"]["why"] and s["facts"]["hint"]) for s in said)

    def state(self) -> str:
        """What is known of the command."""
        with psycopg.connect(self.there.server.url(), row_factory=dict_row) as connection:
            row = connection.execute("SELECT state FROM commands WHERE id = %s", (self.command_id,)).fetchone()
        return str(row and row["state"])


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """What it leads to is not asked for."""
        return


_PLAIN = urllib.request.build_opener(_NoRedirect)
OTHER_CONTENT = order(NAME) | {"customerRef": "somebody else"}


def callback_body(number: int) -> bytes:
    """It names the key of the command and the object of another."""
    said = {"eventId": f"EV-x{number}", "commandId": KEY, "object": "CRM/778/fiber", "status": "ACTIVE"}
    return json.dumps({**said, "serviceRef": "SRV-x"}).encode()


@contextlib.contextmanager
def an_unknown_outcome(home: Path) -> Iterator[World]:
    """A world in which the activation was sent once, was not answered, and nobody knows yet what happened."""
    lost: dict[str, object] = {"operation": OPERATION, "match": f"/{NAME}/", "fault": "answer_lost_before_effect"}
    with installation(home, {"provisioning": [lost]}, time_scale=1.0) as there, forge(there.environment) as smith:
        _start(there, smith)
        there.ask("/orders", order(NAME))
        found: dict[str, int] = {}
        until(lambda: found.update(_unknown(there)) or found, 30, "the outcome is not unknown")
        loop = asyncio.new_event_loop()
        store, context, code = loop.run_until_complete(_opened(there))
        cookie, csrf = _signed_in(there, code, found["case_id"])
        try:
            world = World(there, store, context, **found, cookie=cookie, csrf=csrf, loop=loop)
            world.agreed = loop.run_until_complete(_agreed(world))
            yield world
        finally:
            loop.run_until_complete(store.close())
            loop.close()


def _start(there: Installation, smith: Forge) -> None:
    for name in ("api", "worker-1"):
        smith.start(name, there.home / "log" / f"{name}.log", there.environment)
    until(there.answers, 30, "the API does not answer")


def _unknown(there: Installation) -> dict[str, int]:
    """The ids of what is unknown, once the first look found nothing."""
    with psycopg.connect(there.server.url(), row_factory=dict_row) as connection:
        row = connection.execute(
            "SELECT c.order_id, c.task_id, c.id AS command_id, k.id AS case_id FROM commands c"
            " JOIN cases k ON k.task_id = c.task_id WHERE c.key = %s AND c.state = 'unknown' AND c.looks > 0"
            " AND NOT EXISTS (SELECT FROM commands q WHERE q.target_id = c.id AND q.state <> 'done')",
            (KEY,),
        ).fetchone()
    return dict(row) if row else {}


async def _agreed(world: World) -> int:
    """A repair that would send again, agreed to before anybody knew that the outcome is unknown."""

    async def body(tx: Tx) -> int:
        (order,) = await tx.lock([world.order_id])
        now, number = await tx.now(), await tx.new_id()
        given = await tx.add_evidence(
            world.order_id, order.key, kind="repair_input", source="a test", body=b"{}", media_type="application/json"
        )
        late = now + timedelta(days=1)
        repair = Repair(
            number, world.order_id, world.case_id, "RESEND_SAME_KEY", RepairState.APPROVED, "person:ada", now, late,
            AGREED_HASH, {}, {}, given.id, "", None, "person:eva", now, "", None, None, "",
        )  # fmt: skip
        order.put(repair, "preview", Why(BOSS, "a test", evidence=(given.id,)))
        return number

    found: int = await world.flow(body)
    return found


async def _opened(there: Installation) -> tuple[Database, Context, str]:
    settings = read_settings({**os.environ, **there.environment}, Path.cwd())
    store = await database(settings, there.wiring, "interlock")
    context = (await policies(store, there.wiring, "interlock")).context()
    other = policyset.load_files({name: text.encode() for name, text in harmless(there).items()}, 1.0)
    context = replace(context, policies={**context.policies, other.id: other})
    return store, context, await sign_in_code(store)


def harmless(there: Installation) -> dict[str, str]:
    """The set that an installation runs by, but its contracts say that a repeat does no harm: it would open the lock,
    if the lock asked it.
    """
    files = files_of(there)
    return files | {
        "operations.yaml": files["operations.yaml"].replace("repeat: rejects_duplicate", "repeat: same_result")
    }


def files_of(there: Installation) -> dict[str, str]:
    """The set that an installation runs by."""
    return {place.name: place.read_text() for place in Path(there.wiring.policy).glob("*.yaml")}


def _signed_in(there: Installation, code: str, case_id: int) -> tuple[str, str]:
    """The cookie of a session, and the token that its forms carry."""
    api = there.wiring.api
    try:
        _PLAIN.open(f"{api}/sign-in?code={code}", timeout=10)
        raise AssertionError("signing in leads nowhere")
    except urllib.error.HTTPError as answer:
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
    page = urllib.request.Request(f"{api}/cases/{outside('case', case_id)}", headers={"Cookie": cookie})
    with urllib.request.urlopen(page, timeout=10) as answered:
        found = re.search(r'name="csrf"\s+value="([0-9a-f]+)"', answered.read().decode())
    assert found
    return cookie, found[1]


# -- fifty at once ----------------------------------------------------------------------------------------------------


def at_once(one: Callable[[int], Said | None], tries: int = TRIES) -> list[Said | None]:
    """So many tries at the same time."""
    together = threading.Barrier(tries)

    def go(number: int) -> Said | None:
        together.wait()
        return one(number)

    with ThreadPoolExecutor(tries) as pool:
        return list(pool.map(go, range(tries)))


class _OfThread(io.TextIOBase):
    """An output that keeps apart what each thread says."""

    def __init__(self) -> None:
        self._said = threading.local()

    def write(self, text: str) -> int:
        """Kept for the thread that says it."""
        self._said.text = getattr(self._said, "text", "") + text
        return len(text)

    def take(self) -> str:
        """What this thread has said since the last time."""
        said, self._said.text = getattr(self._said, "text", ""), ""
        return said


def by_verb(world: World, words: list[str], tries: int) -> list[Said | None]:
    """The command line, so many times at once."""
    told, errors = _OfThread(), _OfThread()
    program = typer.main.get_command(command_line.app)

    def one(_: int) -> Said | None:
        code = program.main(words, standalone_mode=False)
        said = errors.take() + told.take()
        assert code in (0, None, 1), said
        lines = said.splitlines()
        return Said(*lines[0].split(": ", 1), lines[-1].strip()) if code == 1 else None

    own = {**world.there.environment, "FALLSAFE_URL": world.there.wiring.api}
    with (
        mock.patch.dict(os.environ, own),
        mock.patch.object(sys, "stdout", told),
        mock.patch.object(sys, "stderr", errors),
        mock.patch.object(policyset, "check", _checked),
    ):
        return at_once(one, tries)


_checked = functools.cache(policyset.check)  # a set that was checked once is not read fifty times more


def by_flow(world: World, one: Callable[[int], Awaitable[Said | None]], tries: int = TRIES) -> list[Said | None]:
    """A flow, so many times at once in this process."""

    async def go() -> list[Said | None]:
        return list(await asyncio.gather(*(one(n) for n in range(tries))))

    return world.loop.run_until_complete(go())


# -- the tries of flows -----------------------------------------------------------------------------------------------

BOSS = Actor("person", "boss", frozenset({"admin", "engineer", "operator"}))


def said_of(answers: Any) -> Said | None:
    """What a flow answered to one input."""
    (answer,) = answers
    assert isinstance(answer, Applied | Refused)
    if isinstance(answer, Applied):
        return None
    return Said(answer.refusal.code, answer.refusal.why, answer.refusal.hint)


async def try_due(world: World, flow: Any, kind: str, thing: int) -> None:
    """Files an entry and lets the flow take it, as a worker does. What it may send then is only a question."""
    due = await world.file(kind, thing, world.order_id if kind != "apply" else None)
    claimed = await world.flow(lambda tx: flow(tx, world.context, [due], BOSS))
    assert [c for c in claimed or () if c.key == KEY or c.operation.name == OPERATION] == []


async def try_late_answer(world: World) -> None:
    """The sender that everybody took for dead says that nothing was sent: it is heard, and changes nothing."""
    aggregate = await world.loaded()
    command: Command = aggregate.commands[world.command_id]
    operation, request = world.context.newest.operations[OPERATION], Request("POST", "/", (), b"", "")
    claimed = Claimed(
        *(command.id, aggregate.order.id, command.attempts, command.purpose, command.key, operation),
        *(request, operation.answers, {"key": command.key, "object": f"CRM/{NAME}/fiber"}, ""),
    )
    late = [Attempted(claimed, Reply(NotSent("refused")))]
    await world.flow(lambda tx: commands.record_replies(tx, world.context, late, BOSS))


async def try_callback(world: World, number: int) -> None:
    """A callback about something else is received and applied by hand."""
    one = Received("PRV", f"EV-y{number}", KEY, callback_body(number), "application/json", "POST /")
    (kept,) = await world.flow(lambda tx: callbacks.receive(tx, world.context, [one], BOSS))
    await try_due(world, callbacks.apply, "apply", kept.id)


async def try_rewind(world: World) -> None:
    """Somebody says that the database went back and somebody that all is well again: what is open is asked about."""
    context = world.context
    await world.flow(lambda tx: stop(tx, context, "it went back", 0, BOSS))
    await world.flow(lambda tx: end_rewind(tx, context, BOSS, "it is known"))
    await world.flow(lambda tx: look_anew(tx, context, BOSS))


async def try_move(world: World) -> Said | None:
    """The order is moved to a set whose contract would let it be sent again."""
    context, ids = world.context, [world.order_id]
    (other,) = (one for name, one in context.policies.items() if name != context.newest.id)

    async def body(tx: Tx) -> Any:
        shown = await moving.preview(tx, context, ids, other)
        return (await moving.run(tx, context, ids, other, BOSS, "try it", moving.hash_of(other.id, shown)))[1]

    return said_of(await world.flow(body))


def tries_of_flows(world: World) -> dict[str, Callable[[int], Awaitable[Said | None]]]:
    """A try for each flow from which a way leads to a request."""
    context, draft = world.context, draft_of(OTHER_CONTENT, b"{}")
    ids = {"order": world.order_id, "task": world.task_id, "command": world.command_id}

    def due(flow: Any, kind: str) -> Callable[[int], Awaitable[Said | None]]:
        return lambda _: try_due(world, flow, kind, ids["task"])

    async def resend(_: int) -> Said | None:
        return said_of(await world.flow(lambda tx: commands.resend(tx, context, [ids["command"]], BOSS, "again")))

    async def plan(_: int) -> Said | None:
        return said_of(await world.flow(lambda tx: planning.plan_again(tx, context, [ids["order"]], BOSS, "again")))

    async def submit(_: int) -> Said | None:
        return said_of(await world.flow(lambda tx: orders.submit(tx, context, [draft], BOSS)))

    async def steer(_: int) -> Said | None:
        return said_of(
            await world.flow(lambda tx: steering.steer(tx, context, [ids["task"]], BOSS, "again", verb="retry"))
        )

    async def reply(_: int) -> Said | None:
        read = [replies.Reply(ids["command"], "done", "they say that it is there", "telephone")]
        return said_of(await world.flow(lambda tx: replies.take(tx, context, read, BOSS)))

    async def repair(_: int) -> Said | None:
        seen = [repairs.Seen(world.agreed, AGREED_HASH)]
        return said_of(await world.flow(lambda tx: repairs.run(tx, context, seen, BOSS, "again")))

    @functools.cache
    def asked() -> int:
        return inside("amendment", world.amendment()) or 0

    async def amend(_: int) -> Said | None:
        returned = [amending.Returned(asked(), "Q-1", "agreed")]
        return said_of(await world.flow(lambda tx: amending.accept(tx, context, returned, BOSS)))

    return {
        "amending.accept": amend,
        "automating.run": due(automating.run, "mend"),
        "checking.claim": due(checking.claim, "check"),
        "comparing.claim": due(comparing.claim, "compare"),
        "steering.steer": steer,
        "repairs.run": repair,
        "replies.take": reply,
        "commands.claim": due(commands.claim, "send"),
        "commands.expire_leases": due(commands.expire_leases, "lease"),
        "commands.find_overdue": due(commands.find_overdue, "overdue"),
        "commands.record_replies": lambda _: try_late_answer(world),
        "commands.resend": resend,
        "installation.look_anew": lambda _: try_rewind(world),
        "callbacks.apply": lambda n: try_callback(world, n),
        "orders.submit": submit,
        "planning.plan_again": plan,
        "planning.replan_due": due(planning.replan_due, "retry"),
        "recover.claim_looks": due(recover.claim_looks, "lookup"),
        "review.review": due(review.review, "review"),
        "moving.run": lambda _: try_move(world),
    }
